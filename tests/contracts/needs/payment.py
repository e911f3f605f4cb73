def of_acquirer(): return []
def of_wallet(): return []
