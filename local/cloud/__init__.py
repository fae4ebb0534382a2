"""The local cloud: the emulator, the deployment of the template into it, and the Lambda runtime."""
