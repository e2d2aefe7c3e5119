"""Eclair: a container vulnerability scanner made of Lambda functions and DynamoDB tables."""
