"""Protocols of the network, on the loopback or without a connection."""

from cases import case, raised


@case(
    "http.server",
    "http.client",
    "urllib.request",
    "urllib.error",
    "urllib.parse",
    "http.cookiejar",
    "http.cookies",
    "socketserver",
    "wsgiref.simple_server",
)
def web():
    import http.client
    import http.cookies
    import http.server
    import threading
    import urllib.error
    import urllib.parse
    import urllib.request

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/" else 404)
            self.end_headers()
            self.wfile.write(b"body")

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        base = "http://127.0.0.1:%d/" % server.server_port
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(base) as response:
                found = [response.status, response.read(), type(response) is http.client.HTTPResponse]
            try:
                opener.open(base + "nope")
            except urllib.error.HTTPError as error:
                found.append(f"caught {error} {isinstance(error, urllib.error.URLError)}")
                error.close()
        finally:
            server.shutdown()
            thread.join()
    try:
        opener.open(base)
    except urllib.error.URLError as error:
        found.append(f"caught {type(error.reason).__name__}")
    try:
        http.client.HTTPConnection("127.0.0.1:x")
    except http.client.InvalidURL as error:
        found.append(f"caught {error}")
    return [
        *found,
        urllib.parse.urlsplit("http://a:1/b?c#d"),
        urllib.parse.quote("é /"),
        http.cookies.SimpleCookie("a=b; c=d"),
        http.HTTPStatus(404).phrase,
        urllib.parse.parse_qs("a=1&a=2"),
        raised(urllib.parse.urlsplit, "http://["),
    ]


@case("imaplib", "smtplib", "ftplib", "poplib", "ipaddress", "xmlrpc.client", "wsgiref", "netrc")
def protocols():
    import ftplib
    import imaplib
    import ipaddress
    import pickle
    import poplib
    import smtplib
    import xmlrpc.client

    address = ipaddress.ip_address("192.0.2.1")
    return [
        imaplib.IMAP4.error.__mro__,
        imaplib.Int2AP(9),
        ftplib.all_errors,
        poplib.error_proto.__mro__,
        smtplib.SMTPException.__mro__,
        issubclass(smtplib.SMTPRecipientsRefused, OSError),
        pickle.loads(pickle.dumps(address)) is not None,
        address in ipaddress.ip_network("192.0.2.0/24"),
        raised(ipaddress.ip_address, "x"),
        xmlrpc.client.loads(xmlrpc.client.dumps((1, "é"), "m")),
        raised(xmlrpc.client.loads, "<a"),
        imaplib.ParseFlags(b"FLAGS (\\Seen)"),
        smtplib.quoteaddr("a@b"),
        ftplib.parse227("227 (1,2,3,4,5,6)"),
    ]
