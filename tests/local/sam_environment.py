"""Prints the environment variables that `sam local invoke` gives a function, as JSON.

Executed by the SAM CLI's own interpreter: ``sam_environment.py TEMPLATE ENV_FILE FUNCTION``.
"""

import json
import sys
from pathlib import Path

# Only its own environment has it.
from samcli.commands.local.lib.local_lambda import LocalLambdaRunner  # type: ignore[import-not-found]
from samcli.lib.providers.sam_function_provider import SamFunctionProvider  # type: ignore[import-not-found]
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider  # type: ignore[import-not-found]

if __name__ == "__main__":
    template, env_file, function = sys.argv[1:]
    stacks, _ = SamLocalStackProvider.get_stacks(template)
    provider = SamFunctionProvider(stacks)
    overrides = json.loads(Path(env_file).read_text()) if env_file else {}
    runner = LocalLambdaRunner(None, provider, ".", None, env_vars_values=overrides)
    variables = runner._make_env_vars(provider.get(function))  # noqa: SLF001  what `sam local invoke` calls
    variables.handler, variables.memory, variables.timeout = "app.handler", 1024, 10
    variables.name = function
    json.dump(variables.resolve(), sys.stdout)
