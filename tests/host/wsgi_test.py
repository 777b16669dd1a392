"""PEP 3333, as a worker speaks it on its lane."""

import os
import unittest

import case
from host_driver import ABORT, BODY_CHUNKED, BODY_STREAMS, CHUNK, END, FILE, HEAD, HTTP10, HTTPS, WANT_BODY, WARMUP


class Answers(case.HostCase):
    def app(self, body, **options):
        """An app of these lines, in which env and start are what WSGI gives."""
        lines = "".join(f"    {line}\n" for line in body.strip("\n").split("\n"))
        return self.serve(f"import sys, os, io\ndef application(env, start):\n{lines}", **options)

    def test_one_block_goes_out_in_one_packet_with_its_length(self):
        response = self.app("start('200 OK', [('X-A', 'b')]); return [b'hello']").get()
        self.assertEqual((response.status, response.reason, response.body), (200, "OK", b"hello"))
        self.assertEqual(response.headers, [("X-A", "b"), ("Content-Length", "5")])
        self.assertEqual([frame[0] for frame in response.frames], [HEAD])

    def test_a_list_of_blocks_is_joined(self):
        response = self.app("start('201 Made', []); return [b'a', b'', b'bc']").get()
        self.assertEqual((response.status, response.body, response.header("content-length")), (201, b"abc", "3"))
        self.assertEqual(len(response.frames), 1)

    def test_a_large_list_arrives_whole(self):
        response = self.app("start('200 OK', []); return (b'x' * 300000, b'y' * 300000)").get()
        self.assertEqual(response.body, b"x" * 300000 + b"y" * 300000)
        self.assertEqual(response.header("content-length"), "600000")

    def test_bare_bytes_are_one_block(self):
        response = self.app("start('200 OK', []); return b'bare'").get()
        self.assertEqual((response.body, response.header("content-length")), (b"bare", "4"))

    def test_each_block_of_a_generator_is_sent_before_the_next_is_asked_for(self):
        interp = self.app("""
start('200 OK', [])
def blocks():
    yield b'one'
    env['wsgi.input'].read()
    yield b'two'
return blocks()""")
        interp.lane.send_request(method="POST", flags=BODY_STREAMS | BODY_CHUNKED)
        response = case.host_driver.Response()
        self.assertFalse(interp.lane.next_frame(response))
        self.assertEqual(response.body, b"one")
        self.assertFalse(interp.lane.next_frame(response))
        self.assertEqual(response.frames[-1][0], WANT_BODY)
        interp.lane.send_body(b"", END)
        interp.lane.finish(response)
        self.assertEqual(response.body, b"onetwo")
        self.assertIsNone(response.header("content-length"))

    def test_empty_iterables_have_length_zero(self):
        self.assertEqual(self.app("start('200 OK', []); return []").get().header("content-length"), "0")

    def test_no_length_is_added_to_204_and_304(self):
        for status in ("204 No Content", "304 Not Modified"):
            response = self.app(f"start('{status}', []); return []", name=f"app{status[:3]}.py").get()
            self.assertIsNone(response.header("content-length"))
            self.assertIsNone(response.failed)

    def test_the_body_of_a_head_request_is_iterated_and_not_sent(self):
        response = self.app("start('200 OK', []); return [b'hello']").get(method="HEAD")
        self.assertEqual((response.body, response.header("content-length")), (b"", "5"))

    def test_write_sends_at_once(self):
        interp = self.app("""
write = start('200 OK', [])
write(b'first')
env['wsgi.input'].read()
write(b'second')
return [b'third']""")
        interp.lane.send_request(method="POST", flags=BODY_STREAMS | BODY_CHUNKED)
        response = case.host_driver.Response()
        interp.lane.next_frame(response)
        self.assertEqual(response.body, b"first")
        interp.lane.next_frame(response)
        interp.lane.send_body(b"", END)
        interp.lane.finish(response)
        self.assertEqual(response.body, b"firstsecondthird")
        self.assertIsNone(response.header("content-length"))

    def test_exc_info_before_the_head_replaces_it(self):
        response = self.app("""
start('200 OK', [('X-A', 'old')])
try: 1 / 0
except ZeroDivisionError: start('500 Oops', [('X-A', 'new')], sys.exc_info())
return [b'sorry']""").get()
        self.assertEqual((response.status, response.header("x-a"), response.body), (500, "new", b"sorry"))

    def test_exc_info_after_the_head_raises_it_again(self):
        response = self.app("""
start('200 OK', [])(b'begun')
try: 1 / 0
except ZeroDivisionError: start('500 Oops', [], exc_info=sys.exc_info())
return []""").get()
        self.assertEqual((response.status, response.body), (200, b"begun"))
        self.assertIn("ZeroDivisionError", response.failed)

    def test_a_second_start_response_is_refused(self):
        response = self.app("start('200 OK', []); start('200 OK', []); return []").get()
        self.assertIn("AssertionError: start_response() was called a second time", response.failed)

    def test_data_before_start_response_is_refused(self):
        self.assertIn("did not call start_response", self.app("return [b'x']").get().failed)

    def test_str_is_a_clear_type_error(self):
        self.assertIn("returned a str", self.app("start('200 OK', []); return 'text'").get().failed)
        interp = self.app("start('200 OK', []); return iter(['text'])", name="b.py")
        self.assertIn("must yield bytes, not str", interp.get().failed)

    def test_heads_that_could_be_injected_into_are_refused(self):
        for number, head in enumerate((
            "'200 OK\\r\\nX: y', []",
            "'200', [('X', 'a\\r\\nSet-Cookie: b')]",
            "'200 OK', [('X\\n', 'a')]",
            "'200 OK', [('X', 'a\\0')]",
            "'200 OK', [('X Y', 'a')]",
            "'200 OK', [('', 'a')]",
            "'200 OK', [('Connection', 'close')]",
            "'200 OK', [('Transfer-Encoding', 'chunked')]",
            "'200 OK', [('Status', '200')]",
            "'200 OK', [('X', 'snow \u2603')]",
            "'200 OK', [(b'X', b'y')]",
            "'20 OK', []",
            "'200OK', []",
            "'100 Continue', []",
            "'200 OK', [('Content-Length', '-1')]",
            "'200 OK', [('Content-Length', '1'), ('Content-Length', '2')]",
            "'200 OK', (('X', 'y'),)",
        )):
            with self.subTest(head):
                response = self.app(f"start({head}); return [b'x']", name=f"h{number}.py").get()
                self.assertIsNotNone(response.failed)
                self.assertEqual(response.status, 0)

    def test_repeated_headers_and_latin_1_go_through(self):
        response = self.app("start('200 \\xe9', [('A', '1'), ('A', '2'), ('B', '\\xe9')]); return []").get()
        self.assertEqual(response.headers[:3], [("A", "1"), ("A", "2"), ("B", "\xe9")])
        self.assertEqual(response.reason, "\xe9")

    def test_fewer_bytes_than_the_length_cut_the_call(self):
        response = self.app("start('200 OK', [('Content-Length', '10')]); return [b'short']").get()
        self.assertEqual(response.body, b"short")
        self.assertIn("fewer than its Content-Length", response.failed)

    def test_more_bytes_than_the_length_are_dropped_and_logged(self):
        interp = self.app("start('200 OK', [('Content-Length', '4')]); return iter([b'123', b'456', b'7'])")
        response = interp.get()
        self.assertEqual((response.body, response.failed), (b"1234", None))
        interp.log.wait_for("more than its Content-Length")

    def test_an_iterable_of_one_has_the_length_of_its_item(self):
        interp = self.serve("""
            class One:
                def __len__(self): return 1
                def __iter__(self): return iter([b'seven'])
            def application(env, start):
                start('200 OK', [])
                return One()
            """)
        self.assertEqual(interp.get().header("content-length"), "5")

    def test_close_is_called_after_the_last_block_and_after_an_error(self):
        interp = self.serve("""
            closed = []
            class Blocks:
                def __init__(self, fail): self.fail = fail
                def __iter__(self):
                    yield b'a'
                    if self.fail: raise ValueError('broken')
                def close(self): closed.append(self.fail)
            def application(env, start):
                start('200 OK', [])
                if env['PATH_INFO'] == '/closed': return [repr(closed).encode()]
                return Blocks(env['PATH_INFO'] == '/fail')
            """)
        interp.get("/")
        self.assertIn("ValueError: broken", interp.get("/fail").failed)
        self.assertEqual(interp.get("/closed").body, b"[False, True]")

    def test_an_error_before_the_head_fails_with_its_traceback_and_logs_it(self):
        interp = self.app("raise KeyError('what is wrong')")
        response = interp.get()
        self.assertEqual(response.status, 0)
        self.assertIn("KeyError: 'what is wrong'", response.failed)
        self.assertIn("app.py", response.failed)
        interp.log.wait_for("KeyError: 'what is wrong'")
        self.assertIsNotNone(interp.get().failed)

    def test_exits_in_a_call_are_errors_of_that_call(self):
        for number, what in enumerate(("SystemExit(3)", "KeyboardInterrupt", "GeneratorExit")):
            interp = self.app(f"raise {what}", name=f"exit{number}.py")
            self.assertIn(what.partition("(")[0], interp.get().failed)
            self.assertIn(what.partition("(")[0], interp.get().failed)

    def test_abort_stops_the_iteration_and_calls_close(self):
        interp = self.serve("""
            import time
            count = 0
            class Endless:
                closed = False
                def __iter__(self): return self
                def __next__(self): time.sleep(0.005); return b'x'
                def close(self): Endless.closed = True
            def application(env, start):
                start('200 OK', [])
                return [str(Endless.closed).encode()] if env['PATH_INFO'] == '/closed' else Endless()
            """)
        interp.lane.send_request("/")
        response = case.host_driver.Response()
        interp.lane.next_frame(response)
        interp.lane.send_abort()
        interp.lane.finish(response)
        self.assertEqual(interp.get("/closed").body, b"True")

    def test_an_endless_answer_ends_where_nothing_more_can_be_sent(self):
        interp = self.serve("""
            closed = []
            class Endless:
                def __iter__(self): return self
                def __next__(self): return b'abc'
                def close(self): closed.append(1)
            def application(env, start):
                if env['PATH_INFO'] == '/closed':
                    start('200 OK', [])
                    return [str(len(closed)).encode()]
                length = [('Content-Length', env['QUERY_STRING'])] if env['QUERY_STRING'] else []
                start(env['PATH_INFO'][1:], length)
                return Endless()
            """)
        self.assertEqual(interp.get("/200", method="HEAD").body, b"")
        for status in ("204", "205", "304"):
            self.assertEqual(interp.get("/" + status).body, b"")
        self.assertEqual(interp.get("/200", query="5").body, b"abcab")
        self.assertEqual(interp.get("/200", query="0").body, b"")
        self.assertEqual(interp.get("/200", method="HEAD", query="5").body, b"")
        self.assertEqual(interp.get("/closed").body, b"7")

    def test_the_largest_head_and_a_whole_piece_of_a_body_pass_in_two_frames(self):
        response = self.app("start('200 OK', [('X', 'y' * 98000)]); return [b'b' * 65536]").get()
        self.assertEqual(response.body, b"b" * 65536)
        self.assertEqual(len(response.frames), 2)

    def test_a_start_response_kept_from_an_old_call_raises(self):
        interp = self.serve("""
            kept = []
            def application(env, start):
                if kept:
                    try: kept[0]('200 OK', [])
                    except RuntimeError as error: start('200 OK', []); return [str(error).encode()]
                kept.append(start)
                start('200 OK', [])
                return []
            """)
        interp.get()
        self.assertEqual(interp.get().body, b"this call is over")

    def test_date_and_server_of_the_app_are_marked(self):
        response = self.app("start('200 OK', [('Date', 'x'), ('server', 'y')]); return []").get()
        self.assertEqual(response.flags & 24, 24)

    def test_headers_that_do_not_fit_are_an_error(self):
        response = self.app("start('200 OK', [('X', 'y' * 140000)]); return []").get()
        self.assertIn("too large", response.failed)


class Environs(case.HostCase):
    SHOW = """
        def application(env, start):
            start('200 OK', [])
            shown = {k: v for k, v in env.items() if isinstance(v, (str, bool, int, tuple))}
            return [repr(shown).encode('utf-8')]
        """

    def environ(self, interp, *args, **options):
        return eval(interp.get(*args, **options).body.decode())

    def test_the_variables_of_a_request(self):
        interp = self.serve(self.SHOW, app="shop")
        headers = [("host", "example.org"), ("accept", "a"), ("accept", "b"), ("cookie", "c=1"), ("cookie", "d=2"),
                   ("content-type", "text/x"), ("content-length", "2"), ("x-caf\xe9".encode("latin-1"), "y"), ("proxy", "evil")]
        env = self.environ(interp, "/caf\xe9", method="POST", query="a=b", headers=headers, body=b"ab", script_name="/m",
                           target="/m/caf%E9?a=b")
        expected = {
            "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/m", "PATH_INFO": "/caf\xe9", "QUERY_STRING": "a=b",
            "REQUEST_URI": "/m/caf%E9?a=b", "SERVER_NAME": "localhost", "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "50000",
            "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "2", "HTTP_HOST": "example.org", "HTTP_ACCEPT": "a, b",
            "HTTP_COOKIE": "c=1; d=2", "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.multithread": False,
            "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.input_terminated": True,
            "moult.generation": interp.number, "moult.call": 1,
        }
        for name, value in expected.items():
            self.assertEqual(env.get(name), value, name)
        for name in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_PROXY", "moult.warmup"):
            self.assertNotIn(name, env)

    def test_nothing_of_one_request_is_in_the_next(self):
        interp = self.serve(self.SHOW)
        self.environ(interp, headers=[("x-secret", "1"), ("content-length", "2")], body=b"ab", flags=HTTPS | HTTP10 | WARMUP)
        env = self.environ(interp, headers=[("x-other", "2")])
        for name in ("HTTP_X_SECRET", "CONTENT_LENGTH", "CONTENT_TYPE", "moult.warmup"):
            self.assertNotIn(name, env)
        self.assertEqual((env["wsgi.url_scheme"], env["SERVER_PROTOCOL"], env["HTTP_X_OTHER"]), ("http", "HTTP/1.1", "2"))

    def test_flags_are_seen(self):
        env = self.environ(self.serve(self.SHOW), flags=HTTPS | HTTP10 | WARMUP)
        self.assertEqual((env["wsgi.url_scheme"], env["SERVER_PROTOCOL"], env["moult.warmup"]), ("https", "HTTP/1.0", True))

    def test_threads_and_processes_are_told(self):
        env = self.environ(self.serve(self.SHOW, threads=2, multiprocess=True))
        self.assertEqual((env["wsgi.multithread"], env["wsgi.multiprocess"]), (True, True))

    def test_long_and_many_headers(self):
        interp = self.serve(self.SHOW)
        for round in range(3):
            headers = [(f"x-{round}-{n}", str(n)) for n in range(200)] + [("x-long", "v" * 5000), ("x-long", "w")]
            env = self.environ(interp, headers=headers)
            self.assertEqual(env[f"HTTP_X_{round}_199"], "199")
            self.assertEqual(env["HTTP_X_LONG"], "v" * 5000 + ", w")
        self.assertEqual(self.environ(interp, headers=[("x-long", "")])["HTTP_X_LONG"], "")


class Input(case.HostCase):
    READ = """
        def application(env, start):
            body = env['wsgi.input']
            start('200 OK', [])
            return [repr(eval(env['QUERY_STRING'])).encode()]
        """
    BODY = b"line one\nline two\n\nlast"

    def both(self, expression):
        """The value with the body in the request's packet, and streamed in odd pieces."""
        interp = self.serve(self.READ)
        whole = interp.get(method="POST", query=expression, body=self.BODY)
        pieces = [self.BODY[i : i + 5] for i in range(0, len(self.BODY), 5)]
        interp.lane.send_request(method="POST", query=expression, flags=BODY_STREAMS | BODY_CHUNKED)
        response = case.host_driver.Response()
        while not interp.lane.next_frame(response):
            if response.frames[-1][0] == WANT_BODY:
                interp.lane.send_body(pieces.pop(0), 0 if pieces else END)
        self.assertEqual(whole.body, response.body, (whole.failed, response.failed))
        return eval(response.body)

    def test_read(self):
        self.assertEqual(self.both("(body.read(), body.read(), body.read(3))"), (self.BODY, b"", b""))
        self.assertEqual(self.both("(body.read(3), body.read(0), body.read(8), body.read(-1))"),
                         (b"lin", b"", b"e one\nli", b"ne two\n\nlast"))
        self.assertEqual(self.both("body.read(None)"), self.BODY)
        self.assertEqual(self.both("body.read(1000)"), self.BODY)

    def test_readline(self):
        self.assertEqual(self.both("list(map(lambda body: body.readline(), [body] * 6))"),
                         [b"line one\n", b"line two\n", b"\n", b"last", b"", b""])
        self.assertEqual(self.both("(body.readline(3), body.readline(100), body.readline(0))"), (b"lin", b"e one\n", b""))

    def test_readlines_and_iteration(self):
        lines = [b"line one\n", b"line two\n", b"\n", b"last"]
        self.assertEqual(self.both("body.readlines()"), lines)
        self.assertEqual(self.both("body.readlines(10)"), lines[:2])
        self.assertEqual(self.both("list(body)"), lines)

    def test_a_request_without_body_is_at_its_end(self):
        self.assertEqual(eval(self.serve(self.READ).get(query="(body.read(), body.readline(), list(body))").body), (b"", b"", []))

    def test_a_large_streamed_body(self):
        interp = self.serve("""
            import hashlib
            def application(env, start):
                digest = hashlib.sha256(env['wsgi.input'].read()).hexdigest()
                start('200 OK', []); return [digest.encode()]
            """)
        pieces = [os.urandom(65536) for _ in range(40)]
        response = interp.lane.post_streamed("/", pieces)
        import hashlib

        self.assertEqual(response.body.decode(), hashlib.sha256(b"".join(pieces)).hexdigest())

    def test_a_client_that_breaks_off_is_a_connection_error(self):
        interp = self.serve("""
            def application(env, start):
                try: env['wsgi.input'].read()
                except ConnectionError as error: start('400 Bad', []); return [str(error).encode()]
            """)
        response = interp.lane.post_streamed("/", [b"abc", b""], length=100, broken=True)
        self.assertIn(b"broke off", response.body)

    def test_an_unread_body_does_not_disturb_the_next_call(self):
        interp = self.serve("def application(env, start): start('200 OK', []); return [env['PATH_INFO'].encode()]")
        interp.lane.send_request("/one", method="POST", flags=BODY_STREAMS, length=10)
        self.assertEqual(interp.lane.finish().body, b"/one")
        interp.lane.send_body(b"late", END)
        interp.lane.send_abort()
        self.assertEqual(interp.get("/two").body, b"/two")

    def test_an_input_kept_from_an_old_call_is_at_its_end(self):
        interp = self.serve("""
            kept = []
            def application(env, start):
                kept.append(env['wsgi.input'])
                start('200 OK', []); return [kept[0].read()]
            """)
        self.assertEqual(interp.get(method="POST", body=b"one").body, b"one")
        self.assertEqual(interp.get(method="POST", body=b"two").body, b"")


class Files(case.HostCase):
    SEND = """
        import io, os
        CLOSED = []
        class Watched(io.FileIO):
            def close(self): CLOSED.append(1); super().close()
        def application(env, start):
            here = os.path.dirname(__file__)
            if env['PATH_INFO'] == '/bytes': file = io.BytesIO(b'in memory')
            elif env['PATH_INFO'] == '/gzip':
                import gzip
                with gzip.open(here + '/packed.gz', 'wb') as out: out.write(b'unpacked')
                file = gzip.open(here + '/packed.gz')
            else:
                file = open(here + '/data.bin', 'rb')
                file.read(int(env['QUERY_STRING'] or 0))
            headers = [('Content-Length', '3')] if env['PATH_INFO'] == '/three' else []
            start('200 OK', headers)
            return env['wsgi.file_wrapper'](file, 4096)
        """

    def test_a_regular_file_goes_as_a_descriptor(self):
        self.tree.write({"data.bin": b"0123456789" * 10000})
        interp = self.serve(self.SEND)
        response = interp.get()
        self.assertEqual(response.file, (0, 100000))
        self.assertEqual(response.header("content-length"), "100000")
        self.assertEqual(response.body, b"0123456789" * 10000)
        self.assertEqual(interp.get(query="7").file, (7, 99993))
        self.assertEqual(interp.get("/three").body, b"012")
        self.assertEqual((interp.get(method="HEAD").body, interp.get(method="HEAD").file), (b"", None))

    def test_other_files_are_iterated(self):
        interp = self.serve(self.SEND)
        for path, body in (("/bytes", b"in memory"), ("/gzip", b"unpacked")):
            response = interp.get(path)
            self.assertEqual((response.body, response.file, response.failed), (body, None, None))


class Validated(case.HostCase):
    def test_the_validator_finds_nothing(self):
        interp = self.serve("""
            from wsgiref.validate import validator
            def app(env, start):
                body = env['wsgi.input'].read(10) + env['wsgi.input'].readline()
                env['wsgi.errors'].write('noted\\n'); env['wsgi.errors'].flush()
                start('200 OK', [('Content-Type', 'text/plain')])
                return [b'got ', body]
            application = validator(app)
            """)
        for _ in range(2):
            response = interp.get(method="POST", body=b"0123456789abc\n", headers=[("content-type", "x/y"), ("content-length", "14")])
            self.assertEqual((response.body, response.failed), (b"got 0123456789abc\n", None))
            self.assertIsNone(interp.get(headers=[("host", "x")]).failed)
        self.assertEqual(interp.log.wait_for("noted")[0], "e")
        self.assertNotIn("Error", interp.log.text())


if __name__ == "__main__":
    unittest.main()
