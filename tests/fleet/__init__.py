"""The shop as `valerix up` runs it: started, asked, killed and started again."""
