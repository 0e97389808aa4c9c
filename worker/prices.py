"""What a call of the model costs, as far as its price is public."""

from __future__ import annotations

from typing import Final

from shared.incident import Usage
from worker.llm import Config

_OPENAI: Final = "https://api.openai.com/v1"


class Prices:
    """The public prices of the endpoint that is asked, by https://github.com/pydantic/genai-prices: a list that comes
    with the library and is never fetched. A model of one's own has no public price, whatever it is called.
    """

    def __init__(self, endpoint: str | None) -> None:
        """`endpoint` is the base URL of the API; None is OpenAI's own."""
        self._endpoint = endpoint or _OPENAI

    @classmethod
    def from_config(cls, config: Config) -> Prices:
        """Those of the configured endpoint; where there is a model, the list is loaded now."""
        if config.chosen != "none":
            from genai_prices import data  # noqa: F401, PLC0415 - five megabytes, which forked workers share
        return cls(config.endpoint)

    def cost(self, model: str, usage: Usage) -> float | None:
        """US dollars, or None when the price is not known."""
        from genai_prices import Usage as Tokens  # noqa: PLC0415 - only workers with a model need it
        from genai_prices import calc_price  # noqa: PLC0415

        tokens = Tokens(
            input_tokens=max(usage.input_tokens, usage.cached_tokens),
            cache_read_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
        )
        try:
            return float(calc_price(tokens, model, provider_api_url=self._endpoint).total_price)
        except (LookupError, ValueError):
            return None
