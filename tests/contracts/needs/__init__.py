"""What each process needs of those it calls, one file a consumer."""
