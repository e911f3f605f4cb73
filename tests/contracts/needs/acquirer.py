def of_payment(): return []
