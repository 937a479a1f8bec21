"""What the rendered site needs beside its theme: addresses from one setting, a preview, nothing from outside.

A Sphinx extension: Jupyter Book loads it as a local extension of _config.yml.
"""

from urllib.parse import urlsplit
from xml.etree import ElementTree

from PIL import Image

# The theme lets the keyboard reach code that has to scroll, but looks for it only when the window changes.
UNFOLDED = """document.addEventListener('click', event => {
  if (event.target.closest('.toggle, summary')) window.dispatchEvent(new Event('resize'));
}, true);"""

PREVIEW = (1200, 630)  # what social networks show beside a link


def addresses(app, config):
    """All that asks for the site's address takes it from html.baseurl."""
    config.ogp_site_url = config.html_baseurl
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def without_thebe(app):
    """Jupyter Book loads live cells, whose script is on another host, on every page; this book has none."""
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if one.handler.__module__ != "sphinx_thebe"]


def sitemap(app, exception):
    """Every page, also those that this build left as they were, which sphinx-sitemap would leave out."""
    urlset = ElementTree.Element("urlset", xmlns="http://www.sitemaps.org/schemas/sitemap/0.9")
    for page in sorted(app.env.found_docs):
        url = ElementTree.SubElement(urlset, "url")
        ElementTree.SubElement(url, "loc").text = app.config.html_baseurl + app.builder.get_target_uri(page)
    ElementTree.ElementTree(urlset).write(app.outdir / "sitemap.xml", encoding="utf-8", xml_declaration=True)


def without_icon_script(app, exception):
    """The theme draws its icons twice: by a font, and by a script of 1.5 MB, which is left empty."""
    for script in app.outdir.glob("_static/vendor/fontawesome/*/js/all.min.js"):
        script.write_text("", encoding="utf-8")


def preview(app, exception):
    """The last frame of the first chapter's animation, on a card."""
    with Image.open(app.srcdir / "book/_static/first-gan.gif") as animation:
        animation.seek(animation.n_frames - 1)
        frame = animation.convert("RGB")
    factor = PREVIEW[0] // frame.width
    large = frame.resize((factor * frame.width, factor * frame.height), Image.Resampling.NEAREST)
    card = Image.new("RGB", PREVIEW, frame.getpixel((0, 0)))
    card.paste(large, tuple((whole - part) // 2 for whole, part in zip(PREVIEW, large.size, strict=True)))
    card.save(app.outdir / "_static" / "preview.png")


def setup(app):
    app.add_js_file(None, body=UNFOLDED)
    app.connect("config-inited", addresses)
    app.connect("builder-inited", without_thebe)
    app.connect("build-finished", without_icon_script)
    app.connect("build-finished", preview)
    app.connect("build-finished", sitemap)
    return {"parallel_read_safe": True}
