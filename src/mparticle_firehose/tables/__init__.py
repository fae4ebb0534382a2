"""DynamoDB: attempts and newest changes, sites that are down, and suspended accounts."""
