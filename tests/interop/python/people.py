"""The user: signs in and allows what is asked, by the cookies and forms that a browser would send."""

import html
import os
import re

import requests


def allow(url):
    """Opens the URL that a library made; gives the address that the browser is sent back to."""
    browser = requests.Session()
    page = browser.get(url, allow_redirects=False, timeout=10)
    for _ in range(4):
        while page.status_code == 303:
            target = page.headers["Location"]
            if target.startswith(os.environ["REDIRECT_URI"]):
                return target
            page = browser.get(target, allow_redirects=False, timeout=10)
        assert page.status_code == 200, page.text
        fields = {name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)}
        if 'id="sign-in"' in page.text:
            fields |= {"action": "sign_in", "username": os.environ["USERNAME"], "password": os.environ["PASSWORD"]}
        else:
            fields |= {"action": "approve", "allow": re.findall(r'name="allow" value="([^"]*)"', page.text)}
        action = requests.compat.urljoin(page.url, re.search(r'action="([^"]*)"', page.text)[1])
        page = browser.post(action, data=fields, allow_redirects=False, timeout=10)
    raise AssertionError("the pages go round in circles")
