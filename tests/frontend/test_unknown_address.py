"""An address that leads nowhere: a page for a browser, a problem document for everything else."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/nope", "/orders/nope", "/favicon.ico"])
async def test_an_unknown_address_is_a_page_in_a_browser(browser, path):
    async with browser.get(path, headers={"Accept": "text/html,*/*;q=0.8"}) as response:
        assert response.status == 404
        assert response.content_type == "text/html"
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        assert "Nothing here" in await response.text()
    async with browser.get(path) as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"
