"""What others rely on: documents compared with the last version, expectations with the process."""
