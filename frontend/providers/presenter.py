"""From accounts as they are stored to what is shown of them; pure."""

from frontend.providers.acquirer import FAULTS, MODES
from frontend.providers.queries import ProviderRecord, Providers, TermsRecord
from frontend.providers.view_models import (
    FaultSwitch,
    ModeChoice,
    ProviderRow,
    ProvidersView,
    TermsRow,
)
from frontend.web.formatting import THIN, count, share, took
from frontend.web.labels import State

# Where JSON is no longer exact, an account takes any amount.
_NO_LIMIT = 2**53


def providers(found: Providers) -> ProvidersView:
    """Every account, and how webhooks travel."""
    return ProvidersView(
        tuple(map(_row, found.providers)),
        tuple(
            FaultSwitch(name, label, getattr(found.webhook_faults, name) > 0)
            for name, (label, _) in FAULTS.items()
        ),
    )


def _row(provider: ProviderRecord) -> ProviderRow:
    rows = tuple(map(_terms, provider.terms))
    state, word, why = _breaker(provider)
    used, used_text = _used(provider)
    hour = provider.hour
    usual = hour.usual_ms if hour else None
    slow = hour.slow_ms if hour else None
    return ProviderRow(
        provider,
        rows[0] if rows else None,
        rows[1:],
        used,
        used_text,
        state,
        word,
        why,
        provider.breaker_since,
        "" if usual is None else took(usual),
        "" if slow is None else took(slow),
        tuple(ModeChoice(mode, label, mode == provider.mode) for mode, label in MODES.items())
        if provider.mode
        else (),
        misbehaves=provider.mode not in (None, "happy"),
    )


def _breaker(provider: ProviderRecord) -> tuple[State, str, str]:
    if provider.breaker == "open":
        return "degraded", "breaker open", provider.reason or "it did not answer"
    if provider.failures:
        times = "once" if provider.failures == 1 else f"{provider.failures} times in a row"
        return "good", "breaker closed", f"did not answer {times}"
    return "good", "breaker closed", ""


def _used(provider: ProviderRecord) -> tuple[str, str]:
    """How much of the day's capacity is used, as a share and in words; an account counts minor
    units of whatever currency."""
    limit = provider.terms[0].daily_capacity_minor if provider.terms else None
    if limit is None:
        return "", f"{_units(provider.used_minor)} today, no limit"
    return (
        share(provider.used_minor / limit if limit else 1.0),
        f"{_units(provider.used_minor)} of {_units(limit)}",
    )


def _terms(terms: TermsRecord) -> TermsRow:
    charged = f"{terms.fee_basis_points / 100:g}{THIN}%"
    if terms.fee_fixed_minor:
        charged = f"{charged} + {_units(terms.fee_fixed_minor)}"
    least = _units(terms.minimum_minor)
    takes = f"from {least}"
    if terms.maximum_minor < _NO_LIMIT:
        takes = f"{least} to {_units(terms.maximum_minor)}"
    day = terms.daily_capacity_minor
    return TermsRow(
        terms,
        charged,
        takes,
        "no limit" if day is None else _units(day),
        ", ".join(sorted(terms.currencies)),
    )


def _units(minor: int) -> str:
    """Minor units in hundredths, without a currency: an account's terms hold for all of its own."""
    whole, cents = divmod(minor, 100)
    return f"{count(whole)}.{cents:02d}"
