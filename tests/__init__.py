"""The tests mirror the source; journeys, telemetry, fleet, browser and tidy cut across it."""
