#!/usr/bin/env python3
"""Completes a login in a real browser: browser_login.py AUTHORIZATION_URL --screenshot FILE.png [--user U] [--password P]
[--deny] [--expect TEXT] [--dark] [--width PIXELS]

Drives a headless Chromium (Debian's chromium and chromium-driver, $CHROMIUM and $CHROMEDRIVER override) with a profile
of its own through the pages of authorization_server.py, oidc_provider_mock and canaille, until the address is a
loopback one that is not the server's. Saves what is then on the screen and prints a JSON line: the page's path, its
title, its text, and what the browser's console said. Exits 1 where the page does not hold TEXT.
"""
import argparse
import json
import os
import sys
import tempfile
import time
import urllib.parse

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By

from drive_login import is_callback


def step(browser, user, password, deny):
    """Does what a person would do on this page; false where there is nothing to do yet."""

    def first(selector):
        return next(iter(browser.find_elements(By.CSS_SELECTOR, selector)), None)

    def submit(field, text):
        field.clear()
        field.send_keys(text)
        field.submit()
        return True

    button = first("[name=answer][value=deny], [name=action][value=deny]" if deny else
                   "[name=answer][value=allow], [name=answer][value=accept]")
    if button:
        button.click()
        return True
    for selector, text in (("input[name=sub]", user), ("input[name=login]", user), ("input[name=password]", password)):
        field = first(selector)
        if field:
            return submit(field, text)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--screenshot", required=True)
    parser.add_argument("--user", default="alice")
    parser.add_argument("--password", default="correct horse battery")
    parser.add_argument("--deny", action="store_true")
    parser.add_argument("--expect")
    parser.add_argument("--dark", action="store_true", help="as at a desktop that prefers dark colours")
    parser.add_argument("--width", type=int, help="of the viewport, as on a telephone")
    parser.add_argument("--timeout", type=float, default=90)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as profile:
        settings = webdriver.ChromeOptions()
        settings.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                         "--disable-background-networking", "--no-proxy-server", "--window-size=900,600",
                         f"--user-data-dir={profile}"):
            settings.add_argument(argument)
        settings.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver"))
        browser = webdriver.Chrome(options=settings, service=service)
        try:
            browser.set_page_load_timeout(options.timeout)
            if options.dark:
                preference = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
                browser.execute_cdp_cmd("Emulation.setEmulatedMedia", preference)
            if options.width:
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                    "width": options.width, "height": 844, "deviceScaleFactor": 2, "mobile": True})
            server = urllib.parse.urlsplit(options.url).netloc
            browser.get(options.url)
            deadline = time.monotonic() + options.timeout
            while not is_callback(browser.current_url, server):
                if time.monotonic() > deadline:
                    browser.save_screenshot(options.screenshot)
                    sys.exit(f"browser_login: still at {urllib.parse.urlsplit(browser.current_url).path}: "
                             f"{browser.find_element(By.TAG_NAME, 'body').text[:500]}")
                try:
                    if not step(browser, options.user, options.password, options.deny):
                        time.sleep(0.1)
                except StaleElementReferenceException:
                    # The page it was on is gone: the browser went on by itself.
                    continue
            text = browser.find_element(By.TAG_NAME, "body").text
            browser.save_screenshot(options.screenshot)
            print(json.dumps({
                "path": urllib.parse.urlsplit(browser.current_url).path, "title": browser.title, "text": text,
                "overflows": browser.execute_script(
                    "return document.documentElement.scrollWidth > document.documentElement.clientWidth"),
                "background": browser.execute_script("return getComputedStyle(document.body).backgroundColor"),
                "console": [entry["message"] for entry in browser.get_log("browser")],
            }))
        finally:
            browser.quit()
    if options.expect is not None and options.expect not in text:
        sys.exit(f"browser_login: the page does not hold {options.expect!r}")


if __name__ == "__main__":
    main()
