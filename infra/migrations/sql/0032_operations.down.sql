DROP TABLE dashboard.operations;
