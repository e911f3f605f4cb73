"""The policy that the seeded merchant starts with."""

DEMO_POLICY = """\
# Amounts under 1 000 units of the currency are allowed; larger ones need a merchant's tier.
if amount >= 1000 * unit && merchantTier == '' then deny
# A suspicious payment gets one provider only, and a large one in the EU one attempt only.
if fraudScore > 0.8 then skipFallback
if region == 'EU' && amount > 100000 then allowRetry = false
if true then allow
"""
