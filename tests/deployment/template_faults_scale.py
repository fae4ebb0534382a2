"""Faults for the checks of networks, names, memory, provisioned concurrency and event pollers."""

from tests.deployment.planting import Fault, drop, put, write

HANDLER = "Resources/HandlerFunction/Properties"
HANDLER_POLICY = "Resources/HandlerRole/Properties/Policies/0/PolicyDocument/Statement"
WORKER_POLICY = "Resources/WorkerRole/Properties/Policies/0/PolicyDocument/Statement"
NETWORK_OF_THE_HANDLER = f"{HANDLER_POLICY}/13"
NETWORK_OF_THE_WORKER = f"{WORKER_POLICY}/12"
EVENTS = "Resources/EventDelivery/Properties"
DOMAIN = "Resources/HttpDomain/Properties"

FAULTS: dict[str, dict[str, Fault]] = {
    "functions_are_in_subnets_only_if_there_are_some": {
        "always": put("Globals/Function/VpcConfig", {"SubnetIds": {"Ref": "SubnetIds"}}),
        "elsewhere": put(f"{HANDLER}/VpcConfig", {"SubnetIds": []}),
        "condition": put("Conditions/HasSubnets", {"Fn::Not": [{"Fn::Equals": [{"Ref": "EventMode"}, "none"]}]}),
        "by-default": put("Parameters/SubnetIds/Default", "subnet-01234567"),
        "no-security-group": drop("Rules/SubnetsNeedSecurityGroups"),
        "no-subnet": put("Rules/SecurityGroupsNeedSubnets/Assertions", []),
    },
    "functions_in_subnets_may_manage_their_interfaces": {
        "always": put(f"{NETWORK_OF_THE_HANDLER}/Fn::If/0", "HasKmsKey"),
        "unconditionally": put(f"{WORKER_POLICY}/0/Sid", "ManageNetworkInterfaces"),
        "never": drop(NETWORK_OF_THE_WORKER),
        "more": put(f"{NETWORK_OF_THE_WORKER}/Fn::If/1/Action", ["ec2:CreateNetworkInterface", "ec2:RunInstances"]),
    },
    "every_role_has_the_permissions_boundary": {
        "not-the-worker": drop("Resources/WorkerRole/Properties/PermissionsBoundary"),
        "not-codedeploy": drop("Resources/DeploymentRole/Properties/PermissionsBoundary"),
        "another-role": put("Resources/Other", {"Type": "AWS::IAM::Role", "Properties": {}}),
        "condition": put("Conditions/HasPermissionsBoundary", {"Condition": "HasKmsKey"}),
    },
    "the_endpoint_has_a_domain_name_of_its_own_only_with_a_certificate": {
        "old-tls": put(f"{DOMAIN}/DomainNameConfigurations/0/SecurityPolicy", "TLS_1_0"),
        "any-tls": drop(f"{DOMAIN}/DomainNameConfigurations/0/SecurityPolicy"),
        "another-stage": drop("Resources/HttpDomainMapping/Properties/Stage"),
        "without-an-api": drop("Rules/ADomainNameIsOfAnHttpApi/Assertions/0"),
        "without-a-certificate": drop("Rules/ADomainNameIsOfAnHttpApi/Assertions/1"),
        "without-a-name": drop("Rules/ACertificateIsOfADomainName"),
        "not-shown": put("Outputs/HttpEndpointUrl/Value/Fn::If/1", {"Fn::GetAtt": ["HttpApi", "ApiEndpoint"]}),
        "no-target": put("Outputs/HttpDomainTarget/Value", {"Ref": "HttpDomain"}),
        "condition": put("Conditions/HasDomainName", {"Condition": "HasHttpApi"}),
    },
    "without_an_account_there_is_an_endpoint": {
        "no-rule": drop("Rules/SomebodyMayInvoke"),
        "nothing-asserted": put("Rules/SomebodyMayInvoke/Assertions", []),
        "of-the-second": put("Rules/SomebodyMayInvoke/RuleCondition/Fn::Equals/0/Ref", "SecondMParticleAccount"),
    },
    "names_fit_with_the_longest_name_of_a_stack": {
        "longer": write(f"{HANDLER}/FunctionName/Fn::Sub", "-handler", "-handler-of-requests"),
        "longer-queue": write(
            "Resources/EventDeadLetterQueue/Properties/QueueName/Fn::Sub", "dead-letter", "dead-letter" * 3
        ),
        "shorter": put("Resources/ReleaseCheckFunction/Properties/FunctionName/Fn::Sub", "CodeDeployHook_"),
    },
    "what_is_optional_is_there_only_if_it_is_asked_for": {
        "boundary": put("Resources/HandlerRole/Properties/PermissionsBoundary", {"Ref": "PermissionsBoundaryArn"}),
        "pollers": put(f"{EVENTS}/ProvisionedPollerConfig", {"MinimumPollers": {"Ref": "EventMinimumPollers"}}),
        "domain": drop("Resources/HttpDomain/Condition"),
        "no-effect": drop(f"{HANDLER}/ProvisionedConcurrencyConfig"),
        "key": put(
            "Resources/LedgerTable/Properties/SSESpecification",
            {"SSEEnabled": True, "KMSMasterKeyId": {"Ref": "KmsKeyArn"}},
        ),
    },
    "memory_is_what_the_parameter_says": {
        "fixed": put("Globals/Function/MemorySize", 1024),
        "one-otherwise": put(f"{HANDLER}/MemorySize", 512),
        "more-than-there-is": put("Parameters/MemorySize/MaxValue", 20_480),
    },
    "provisioned_concurrency_is_of_the_handler_and_without_snapshots": {
        "always": put(
            f"{HANDLER}/ProvisionedConcurrencyConfig",
            {"ProvisionedConcurrentExecutions": {"Ref": "ProvisionedConcurrency"}},
        ),
        "of-the-worker": put("Resources/WorkerFunction/Properties/ProvisionedConcurrencyConfig", {}),
        "with-snapshots": drop("Rules/ASnapshotOrProvisionedConcurrency"),
        "for-one-value": put(
            "Rules/ASnapshotOrProvisionedConcurrency/RuleCondition",
            {"Fn::Equals": [{"Ref": "ProvisionedConcurrency"}, "1"]},
        ),
        "by-default": put("Parameters/ProvisionedConcurrency/Default", 10),
        "condition": put("Conditions/HasProvisionedConcurrency", {"Condition": "IsGradual"}),
    },
    "the_event_queue_has_pollers_or_a_maximum_concurrency": {
        "both": put(f"{EVENTS}/ScalingConfig", {"MaximumConcurrency": {"Ref": "EventConcurrency"}}),
        "crossed": put(f"{EVENTS}/ProvisionedPollerConfig/Fn::If/1/MaximumPollers", {"Ref": "EventMinimumPollers"}),
        "of-erasures": put("Resources/ErasureDelivery/Properties/ProvisionedPollerConfig", {}),
        "one": drop("Rules/PollersAreAtLeastTwo"),
        "more-than-there-are": put("Parameters/EventMaximumPollers/MaxValue", 20_000),
        "by-default": put("Parameters/EventMinimumPollers/Default", 2),
        "condition": put("Conditions/HasEventPollers", {"Condition": "IsGradual"}),
    },
    "every_condition_is_used": {
        "another": put("Conditions/HasNothing", {"Condition": "HasFeed"}),
    },
}
