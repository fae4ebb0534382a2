"""DynamoDB: attempts and newest changes, and suspended accounts."""
