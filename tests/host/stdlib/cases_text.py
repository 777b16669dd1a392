"""Text, formats and their parsers."""

from cases import case, raised


@case("re", "_sre", "sre_compile", "fnmatch")
def patterns():
    import copy
    import fnmatch
    import pickle
    import re

    found = re.compile(r"(?P<a>\w+)-(\d+)", re.I)
    try:
        re.compile("(")
    except re.error as error:
        told = f"caught {error} {error.pos}"
    return [
        found.match("Ab-12").groupdict(),
        pickle.loads(pickle.dumps(found)) == found,
        copy.deepcopy(found) is found,
        told,
        isinstance(found, re.Pattern),
        isinstance(found.match("a-1"), re.Match),
        re.sub(r"(a)", r"\1\1", "banana"),
        repr(re.I | re.M),
        re.compile("x", re.A).flags,
        re.split(r"\s", "a b"),
        re.escape("a.b"),
        fnmatch.filter(["a.py", "b"], "*.py"),
        re.fullmatch("É", "é", re.I) is not None,
        re.purge(),
        re.Scanner([("a", lambda s, t: t)]).scan("aa"),
    ]


@case("json", "_json", "json.decoder", "json.scanner")
def json_texts():
    import collections
    import decimal
    import json

    class Own(json.JSONEncoder):
        def default(self, value):
            return sorted(value) if isinstance(value, set) else super().default(value)

    found = [json.dumps({"a": [1, 2.5, None, True, "é"]}), json.dumps({"b": {2, 1}}, cls=Own, indent=1)]
    try:
        json.loads('{"a": ')
    except json.JSONDecodeError as error:
        found.append(f"caught {error} {isinstance(error, ValueError)}")
    return [
        *found,
        json.loads("1.10", parse_float=decimal.Decimal),
        raised(json.dumps, object),
        json.loads('{"a": 1}', object_pairs_hook=collections.OrderedDict),
        json.loads('"\\ud83d\\ude00"'),
        json.dumps("\u2028"),
        json.encoder.c_make_encoder is not None,
        json.scanner.c_make_scanner is not None,
        raised(json.loads, "[1,]"),
    ]


@case("csv", "_csv")
def csv_dialects():
    import csv
    import io

    before = sorted(csv.list_dialects())
    csv.register_dialect("exercise", delimiter="|", quoting=csv.QUOTE_ALL)
    out = io.StringIO()
    csv.writer(out, "exercise").writerow([1, 'a"b', None])
    found = [before, out.getvalue(), list(csv.reader(["x|y"], "exercise")), csv.get_dialect("exercise").delimiter]
    csv.unregister_dialect("exercise")
    try:
        csv.get_dialect("exercise")
    except csv.Error as error:
        found.append(f"caught {error}")
    try:
        list(csv.reader(['"a'], strict=True))
    except csv.Error as error:
        found.append(f"caught {error}")
    limit = csv.field_size_limit(100)
    found += [
        limit,
        csv.field_size_limit(limit),
        list(csv.DictReader(["a,b", "1,2"])),
        csv.Sniffer().sniff("a;b\nc;d").delimiter,
    ]
    return [*found, sorted(csv.list_dialects())]


@case("xml.etree.ElementTree", "_elementtree", "xml.etree.cElementTree")
def element_trees():
    import copy
    import pickle
    import xml.etree.ElementTree as trees

    root = trees.fromstring("<a x='1'><b>t</b>tail<c/></a>")
    try:
        trees.fromstring("<a>")
    except trees.ParseError as error:
        told = f"caught {error} {error.code} {error.position} {isinstance(error, SyntaxError)}"
    pulled = trees.XMLPullParser(["start", "end"])
    pulled.feed("<r><s/></r>")
    return [
        trees.tostring(root),
        told,
        type(root) is trees.Element,
        trees.tostring(copy.deepcopy(root)),
        root.find("b").text,
        trees.tostring(pickle.loads(pickle.dumps(root))),
        [event for event, _ in pulled.read_events()],
        root.findall(".//c")[0].tag,
        trees.Element.__module__,
        isinstance(root.iter(), __import__("collections").abc.Iterator),
        trees.canonicalize("<a b='1'/>"),
        raised(root.append, 1),
        trees.XML("<a><!--c--></a>", trees.XMLParser(target=trees.TreeBuilder(insert_comments=True)))[0].tag
        is trees.Comment,
        trees.indent(root),
        trees.QName("u", "t"),
    ]


@case("pyexpat", "xml.parsers.expat", "xml.sax", "xml.sax.expatreader", "xml.dom.minidom", "xml.dom.pulldom")
def expat():
    import xml.dom.minidom
    import xml.parsers.expat
    import xml.sax

    found = []
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: found.append((name, attributes))
    parser.Parse(b"<a b='c'><d/></a>", True)
    for parse in (
        lambda: xml.parsers.expat.ParserCreate().Parse(b"<a", True),
        lambda: xml.dom.minidom.parseString("<a"),
    ):
        try:
            parse()
        except xml.parsers.expat.ExpatError as error:
            found.append(f"caught {error} {error.code} {xml.parsers.expat.ErrorString(error.code)}")
    try:
        xml.sax.parseString(b"<a>", xml.sax.ContentHandler())
    except xml.sax.SAXParseException as error:
        found.append(f"caught {error.getMessage()}")
    return [*found, xml.dom.minidom.parseString("<a><b/></a>").toxml(), xml.parsers.expat.errors.XML_ERROR_SYNTAX]


@case("codecs", "_codecs", "encodings", "_multibytecodec", "_codecs_jp", "_codecs_cn")
def codec_registry():
    import codecs
    import encodings.utf_8
    import io

    def search(name):
        return (
            codecs.CodecInfo(encodings.utf_8.encode, encodings.utf_8.decode, name="moultish")
            if name == "moultish"
            else None
        )

    found = [raised("a".encode, "moultish")]
    codecs.register(search)
    codecs.register_error("moultish", lambda error: ("?", error.end))
    found += ["é".encode("moultish"), "é".encode("ascii", "moultish"), b"\xff".decode("utf-8", "moultish")]
    codecs.unregister(search)
    codecs.register_error("moultish", codecs.lookup_error("strict"))
    return [
        *found,
        raised("b".encode, "moultish"),
        "日本".encode("shift_jis"),
        "中".encode("gb18030"),
        "日".encode("euc_jp"),
        raised(b"\x81".decode, "shift_jis"),
        "a€".encode("latin-1", "xmlcharrefreplace"),
        codecs.getincrementaldecoder("utf-8")().decode(b"\xc3"),
        io.TextIOWrapper(io.BytesIO(b"\x93\xfa"), "cp932").read(),
        codecs.encode("abc", "rot13"),
        codecs.decode(b"YQ==\n", "base64"),
        raised("é".encode, "idna"),
        "bücher".encode("punycode"),
        codecs.lookup("UTF8").name,
    ]


@case("unicodedata", "stringprep", "string", "textwrap", "difflib", "html", "html.parser")
def characters():
    import difflib
    import html
    import string
    import textwrap
    import unicodedata

    return [
        unicodedata.name("é"),
        unicodedata.normalize("NFD", "é"),
        unicodedata.unidata_version,
        raised(unicodedata.lookup, "NO SUCH"),
        unicodedata.ucd_3_2_0.unidata_version,
        type(unicodedata.ucd_3_2_0).__name__,
        "\N{SNOWMAN}",
        html.unescape("&eacute;&#x41;"),
        string.Template("$a").substitute(a=1),
        textwrap.fill("a b c", 3),
        list(difflib.unified_diff(["a"], ["b"])),
        string.Formatter().format("{0!r:>4}", "x"),
        raised(string.Template("$a").substitute),
    ]


@case("configparser", "tomllib", "plistlib", "shlex", "netrc", "ast", "tokenize", "symtable")
def configs():
    import ast
    import configparser
    import datetime
    import plistlib
    import shlex
    import symtable

    parser = configparser.ConfigParser()
    parser.read_string("[a]\nb = 1\nc = %(b)s2\n")
    try:
        parser.get("x", "y")
    except configparser.NoSectionError as error:
        found = [f"caught {error}"]
    try:
        import tomllib

        found.append(tomllib.loads("a = 2020-01-02T03:04:05Z\nb = [1, 2.5]"))
        tomllib.loads("a =")
    except tomllib.TOMLDecodeError as error:
        found.append(f"caught {error}")
    plist = plistlib.dumps({"a": datetime.datetime(2020, 1, 1), "b": b"x"}, fmt=plistlib.FMT_BINARY)
    tree = ast.parse("a = 1 + 2")
    return [
        *found,
        parser.getint("a", "c"),
        plistlib.loads(plist),
        plistlib.loads(plistlib.dumps({"a": 1.5})),
        shlex.split("a 'b c'"),
        ast.dump(tree),
        type(tree) is ast.Module,
        isinstance(tree.body[0], ast.stmt),
        ast.literal_eval("{'a': (1,)}"),
        ast.unparse(tree),
        raised(compile, "a =", "<x>", "exec"),
        symtable.symtable("def f(): x = 1", "f", "exec").get_type(),
    ]


@case("email", "email.message", "email.policy", "email.parser", "mimetypes", "quopri")
def mails():
    import email
    import email.errors
    import email.message
    import email.policy
    import email.utils
    import mimetypes
    import pickle

    message = email.message.EmailMessage()
    message["Subject"] = "Grüße"
    message["To"] = "Ä <a@example.org>"
    message.set_content("Häh\n")
    message.add_attachment(b"x", maintype="image", subtype="png", filename="é.png")
    message.set_boundary("=edge=")
    parsed = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    try:
        message["Subject"] = "again"
    except ValueError as error:
        told = f"caught {error}"
    return [
        message.as_string(),
        parsed["to"].addresses[0].display_name,
        parsed.get_body().get_content(),
        told,
        [part.get_content_type() for part in parsed.walk()],
        type(parsed) is email.message.EmailMessage,
        pickle.loads(pickle.dumps(parsed)).as_string() == parsed.as_string(),
        mimetypes.guess_type("a.html"),
        email.utils.parsedate_to_datetime("Mon, 20 Nov 1995 19:12:08 -0500"),
        email.utils.formataddr(("é", "a@b.c")),
        raised(email.message.EmailMessage, 3),
        issubclass(email.errors.HeaderParseError, email.errors.MessageError),
    ]


@case("gettext", "locale", "_locale")
def translations():
    import gettext
    import locale

    try:
        locale.setlocale(locale.LC_ALL, "xx_NOWHERE")
        told = "not raised"
    except locale.Error as error:
        told = f"caught {error}"
    return [
        gettext.gettext("a"),
        raised(gettext.translation, "nodomain"),
        gettext.NullTranslations().ngettext("a", "b", 2),
        told,
        locale.setlocale(locale.LC_NUMERIC),
        locale.localeconv()["decimal_point"],
        locale.strcoll("a", "b") < 0,
        locale.format_string("%d", 1000, grouping=True),
        locale.normalize("de_de"),
        sorted(locale.localeconv())[:2],
    ]


@case("pprint", "reprlib", "traceback", "linecache", "warnings", "_warnings")
def told():
    import pprint
    import reprlib
    import traceback
    import warnings

    def fails():
        raise KeyError("k") from ValueError("v")

    try:
        fails()
    except KeyError as error:
        lines = [line.strip() for line in traceback.format_exception_only(error)]
        cause = type(traceback.TracebackException.from_exception(error).__cause__).__name__
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warnings.warn("w", DeprecationWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        error = raised(warnings.warn, "w")
    group = ExceptionGroup("g", [ValueError(1), TypeError(2)])
    return [
        pprint.pformat({"b": 1, "a": [1] * 3}),
        reprlib.repr("x" * 99),
        lines,
        cause,
        [str(one.message) for one in seen],
        error,
        isinstance(seen[0], warnings.WarningMessage),
        group.split(ValueError)[0].exceptions,
        group.subgroup(TypeError).message,
    ]
