// The settings of docs/deployment.md in the real Apache, nginx and lighttpd, where they are installed.

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <string>

using namespace moult::testing;

namespace {

// The n-th block of this language in docs/deployment.md.
std::string block_of_docs(const std::string& language, int number) {
  const std::string text = read_file(std::string(MOULT_SOURCE_DIR) + "/docs/deployment.md");
  const std::string fence = "```" + language + "\n";
  std::size_t at = 0;
  for (int i = 0; i <= number; ++i) {
    at = text.find(fence, at);
    REQUIRE(at != std::string::npos);
    at += fence.size();
  }
  return text.substr(at, text.find("```", at) - at);
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, "no " << from << " in the block");
  text.replace(at, from.size(), to);
}

// A port that was free a moment ago: the web servers cannot choose one by itself.
int free_port() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  REQUIRE(::bind(fd, generic, size) == 0);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

// A daemon with an app that shows its environ, on TCP and on unix sockets for the web server's group, one for
// each wire.
struct Backend {
  DaemonProcess daemon;
  AppTree app;
  std::string socket = socket_of("http");
  std::string socket_of(const std::string& wire) { return daemon.folder() / (wire + ".sock"); }

  Backend() : app(daemon.add_app("features")) {
    namespace fs = std::filesystem;
    const std::string group =
        ::getuid() == 0 && ::getgrnam("www-data") != nullptr ? R"(, group = "www-data")" : "";
    fs::permissions(daemon.folder().path(),
                    fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    std::string listen = "\"127.0.0.1:0\"";
    for (const std::string wire : {"http", "fcgi", "scgi", "uwsgi"})
      listen +=
          ", { unix = \"" + socket_of(wire) + "\", wire = \"" + wire + "\", mode = \"0660\"" + group + " }";
    daemon.write_daemon_config("listen = [" + listen + "]\ntrusted_proxies = [\"unix\", \"127.0.0.1\"]\n");
    app.copy_app("features");
    daemon.start();
  }
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// What a visitor sees through the web server at `front`, also while the app's code changes.
// `port`: that of the Host header arrives.
void check_front(Backend& backend, const std::string& front, bool port = true) {
  const auto answers_at_all = [&] {
    try {
      return get(front, "/").status == 200;
    } catch (const HttpError&) {
      return false;
    }
  };
  REQUIRE(eventually(answers_at_all));
  HttpConnection connection(front);
  connection.send(get_request("/environ", {}, "example.org"));
  const HttpResponse environ = connection.read_response();
  CHECK(contains(environ.body, R"("HTTP_HOST": "example.org")"));
  CHECK(contains(environ.body, R"("wsgi.url_scheme": "http")"));
  CHECK(contains(environ.body, R"("REMOTE_ADDR": "127.0.0.1")"));
  HttpConnection with_port(front);
  with_port.send(get_request("/environ", {}, "example.org:99"));
  CHECK(contains(with_port.read_response().body,
                 port ? R"("HTTP_HOST": "example.org:99")" : R"("HTTP_HOST": "example.org")"));
  HttpConnection old(front);  // a monitor's, without Host
  old.send("GET /environ HTTP/1.0\r\n\r\n");
  CHECK(old.read_response().status == 200);
  const std::string upload(300'000, 'u');
  CHECK(post(front, "/echo", upload).body == upload);
  CHECK(get(front, "/steps").body == "step 0\nstep 1\nstep 2\n");
  CHECK(get(front, "/raises").status == 500);

  LoadClient load(front, "/", 4, [](const HttpResponse& response, const std::string&) {
    return response.status == 200 ? "" : std::to_string(response.status);
  });
  for (int i = 0; i < 3; ++i) {
    backend.app.write("app.py", answers("version " + std::to_string(i)));
    CHECK(backend.daemon.wait_for_body("/", "version " + std::to_string(i)));
  }
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
}

// `server`: "tcp", "unix", or what is spoken on a unix socket.
void check_nginx(const std::string& server) {
  if (!std::filesystem::exists("/usr/sbin/nginx")) {
    skip("no nginx");
    return;
  }
  Backend backend;
  const std::string folder = backend.daemon.folder().path();
  const std::string front = "127.0.0.1:" + std::to_string(free_port());
  const bool is_http = server == "tcp" || server == "unix";
  std::string block = block_of_docs("nginx", is_http ? 0 : 1);
  if (is_http) {
    replace(block, "server unix:/home/ann/run/web.sock;",
            "server " + (server == "tcp" ? backend.daemon.address() : "unix:" + backend.socket) + ";");
  } else {
    replace(block, "/home/ann/run/fcgi.sock", backend.socket_of(server));
  }
  if (server == "scgi" || server == "uwsgi") {
    replace(block, "    keepalive 16;\n", "");
    replace(block, "        fastcgi_keep_conn on;\n", "");
    replace(block, "fastcgi_params", server + "_params");
    replace(block, "fastcgi_pass", server + "_pass");
  }
  replace(block, "listen 80;", "listen " + front + ";");
  std::string temporary;
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    temporary += std::string(kind) + "_temp_path " + folder + "/" + kind + ";\n";
  }
  const std::string user = ::getuid() == 0 ? "user www-data;\n" : "";
  AppTree(folder).write("nginx.conf",
                        user + "pid " + folder + "/nginx.pid;\nerror_log " + folder +
                            "/nginx.log;\nevents {}\nhttp {\naccess_log off;\nkeepalive_requests 1000000;\n" +
                            temporary + block + "}\n");
  const Child nginx({{"/usr/sbin/nginx", "-c", folder + "/nginx.conf", "-g", "daemon off;"},
                     backend.daemon.environment(),
                     folder,
                     folder + "/nginx.out",
                     folder + "/nginx.out"});
  check_front(backend, front, is_http);  // Debian's parameters of the others have HTTP_HOST without a port
}

void check_apache(int block_number) {
  if (!std::filesystem::exists("/usr/sbin/apache2")) {
    skip("no Apache");
    return;
  }
  Backend backend;
  const std::string folder = backend.daemon.folder().path();
  std::string block = block_of_docs("apache", block_number);
  const bool is_fcgi = contains(block, "fcgi.sock");
  if (is_fcgi) {
    replace(block, "/home/ann/run/fcgi.sock", backend.socket_of("fcgi"));
  } else if (contains(block, "unix:")) {
    replace(block, "/home/ann/run/web.sock", backend.socket);
  } else {
    replace(block, "127.0.0.1:8000", backend.daemon.address());
  }
  const std::string front = "127.0.0.1:" + std::to_string(free_port());
  std::string text = "ServerRoot " + folder + "\nServerName localhost\nPidFile " + folder +
                     "/httpd.pid\nErrorLog " + folder + "/apache.log\nDefaultRuntimeDir " + folder +
                     "\nMutex file:" + folder + " default\nMaxKeepAliveRequests 0\nListen " + front + "\n";
  for (const char* module :
       {"mpm_event", "authz_core", "proxy", "proxy_http", "proxy_fcgi", "headers", "rewrite"}) {
    text += "LoadModule " + std::string(module) + "_module /usr/lib/apache2/modules/mod_" + module + ".so\n";
  }
  if (::getuid() == 0) text += "User www-data\nGroup www-data\n";
  if (contains(block, "SetHandler")) {  // the one of an .htaccess
    AppTree(folder).write("www/.htaccess", block);
    const std::string www = folder + "/www";
    block = "DocumentRoot " + www + "\n<Directory " + www +
            ">\nAllowOverride FileInfo AuthConfig\nRequire all granted\n" +
            "Options FollowSymLinks\n</Directory>\nAllowEncodedSlashes NoDecode\n";
  }
  AppTree(folder).write("httpd.conf", text + block);
  const Child apache({{"/usr/sbin/apache2", "-f", folder + "/httpd.conf", "-DFOREGROUND"},
                      backend.daemon.environment(),
                      folder,
                      folder + "/apache.out",
                      folder + "/apache.out"});
  check_front(backend, front);
}

void check_lighttpd(const std::string& wire) {
  if (!std::filesystem::exists("/usr/sbin/lighttpd")) {
    skip("no lighttpd");
    return;
  }
  Backend backend;
  const std::string folder = backend.daemon.folder().path();
  const int port = free_port();
  std::string block = block_of_docs("lighttpd", 0);
  replace(block, "/home/ann/run/fcgi.sock", backend.socket_of(wire));
  if (wire != "fcgi") {
    replace(block, "mod_fastcgi", "mod_scgi");
    replace(block, "fastcgi.server", "scgi.server");
  }
  if (wire == "uwsgi") block += "scgi.protocol = \"uwsgi\"\n";
  if (::getuid() == 0) block += "server.username = \"www-data\"\nserver.groupname = \"www-data\"\n";
  std::filesystem::create_directory(folder + "/uploads");
  std::filesystem::permissions(folder + "/uploads", std::filesystem::perms::all);
  AppTree(folder).write("lighttpd.conf",
                        "server.document-root = \"" + folder + "/uploads\"\nserver.bind = \"127.0.0.1\"\n" +
                            "server.port = " + std::to_string(port) + "\nserver.upload-dirs = (\"" + folder +
                            "/uploads\")\nserver.max-keep-alive-requests = 65535\n" + block);
  const Child lighttpd({{"/usr/sbin/lighttpd", "-D", "-f", folder + "/lighttpd.conf"},
                        backend.daemon.environment(),
                        folder,
                        folder + "/lighttpd.out",
                        folder + "/lighttpd.out"});
  check_front(backend, "127.0.0.1:" + std::to_string(port));
}

}  // namespace

TEST_CASE("lighttpd by FastCGI, as docs/deployment.md has it") { check_lighttpd("fcgi"); }
TEST_CASE("lighttpd by SCGI, as docs/deployment.md has it") { check_lighttpd("scgi"); }
TEST_CASE("lighttpd by uwsgi, as docs/deployment.md has it") { check_lighttpd("uwsgi"); }
TEST_CASE("nginx to the unix socket, as docs/deployment.md has it") { check_nginx("unix"); }
TEST_CASE("nginx to TCP, as docs/deployment.md has it") { check_nginx("tcp"); }
TEST_CASE("nginx by FastCGI, as docs/deployment.md has it") { check_nginx("fcgi"); }
TEST_CASE("nginx by SCGI, as docs/deployment.md has it") { check_nginx("scgi"); }
TEST_CASE("nginx by uwsgi, as docs/deployment.md has it") { check_nginx("uwsgi"); }
TEST_CASE("Apache to the unix socket, as docs/deployment.md has it") { check_apache(0); }
TEST_CASE("Apache to TCP, as docs/deployment.md has it") { check_apache(1); }
TEST_CASE("Apache by FastCGI, as docs/deployment.md has it") { check_apache(2); }
TEST_CASE("Apache by FastCGI in an .htaccess, as docs/deployment.md has it") { check_apache(3); }
