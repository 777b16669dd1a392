#include "control/ctl/front_recipe.h"

#include <fmt/format.h>

#include <string_view>

// docs/deployment.md has the same settings and says why they are so; tests run those.

namespace moult::ctl {

namespace {

struct Place {
  std::string wire;  // "http", "fcgi", ...
  bool is_unix = false;
  std::string where;  // the path, or HOST:PORT
};

Place place_of(std::string_view address) {
  Place place{"http", false, {}};
  for (const std::string_view wire : {"fcgi:", "scgi:", "uwsgi:"}) {
    if (!address.starts_with(wire)) continue;
    place.wire = wire.substr(0, wire.size() - 1);
    address.remove_prefix(wire.size());
  }
  place.is_unix = address.starts_with("unix:");
  place.where = place.is_unix ? address.substr(5) : address;
  return place;
}

// What each can use, the best first.
std::vector<std::string> wires_of(const std::string& front) {
  if (front == "htaccess") return {"fcgi"};
  if (front == "apache") return {"fcgi", "http"};
  if (front == "lighttpd") return {"fcgi", "scgi"};
  return {"http", "fcgi", "uwsgi", "scgi"};
}

std::string for_nginx(const Place& place) {
  const std::string server = place.is_unix ? "unix:" + place.where : place.where;
  const bool keeps = place.wire == "http" || place.wire == "fcgi";
  std::string location;
  if (place.wire == "http") {
    location =
        "        proxy_pass http://moult;\n"
        "        proxy_http_version 1.1;\n"
        "        proxy_set_header Connection \"\";\n"
        "        proxy_set_header Host $moult_host;\n"
        "        proxy_set_header X-Forwarded-For $remote_addr;\n"
        "        proxy_set_header X-Forwarded-Proto $scheme;\n";
  } else {
    const std::string name = place.wire == "fcgi" ? "fastcgi" : place.wire;
    location = fmt::format("        include /etc/nginx/{0}_params;\n        {0}_pass moult;\n", name);
    if (place.wire == "fcgi") location += "        fastcgi_keep_conn on;\n";
  }
  return fmt::format(
      "{}upstream moult {{\n    server {};\n{}}}\nserver {{\n    listen 80;\n    server_name example.org;\n"
      "    client_max_body_size 64m;\n\n    location / {{\n{}    }}\n}}\n",
      place.wire == "http" ? "map $http_host $moult_host {\n    default $http_host;\n    \"\" $host;\n}\n"
                           : "",
      server, keeps ? "    keepalive 16;\n" : "", location);
}

std::string for_apache(const Place& place) {
  if (place.wire == "http") {
    return fmt::format(
        "ProxyPreserveHost On\nRequestHeader set X-Forwarded-Proto expr=%{{REQUEST_SCHEME}}\n"
        "ProxyPass \"/\" \"{}\" ttl=60 nocanon\nAllowEncodedSlashes NoDecode\n",
        place.is_unix ? fmt::format("unix:{}|http://localhost/", place.where)
                      : fmt::format("http://{}/", place.where));
  }
  return fmt::format(
      "ProxyPass \"/\" \"{}\"\nAllowEncodedSlashes NoDecode\n<Location \"/\">\n    CGIPassAuth "
      "On\n</Location>\n",
      place.is_unix ? fmt::format("unix:{}|fcgi://localhost/", place.where)
                    : fmt::format("fcgi://{}/", place.where));
}

std::string for_htaccess(const Place& place) {
  return fmt::format(
      "CGIPassAuth On\n<If \"! -f %{{REQUEST_FILENAME}}\">\n    SetHandler \"proxy:{}\"\n</If>\n",
      place.is_unix ? fmt::format("unix:{}|fcgi://localhost/", place.where)
                    : fmt::format("fcgi://{}/", place.where));
}

std::string for_lighttpd(const Place& place) {
  const std::string module = place.wire == "fcgi" ? "fastcgi" : "scgi";
  const std::size_t colon = place.where.rfind(':');
  const std::string where = place.is_unix
                                ? fmt::format("\"socket\" => \"{}\"", place.where)
                                : fmt::format("\"host\" => \"{}\", \"port\" => {}",
                                              place.where.substr(0, colon), place.where.substr(colon + 1));
  return fmt::format(
      "server.modules += ( \"mod_{0}\" )\n{0}.server = ( \"/\" => (( {1}, \"check-local\" => \"disable\" )) "
      ")\n",
      module, where);
}

}  // namespace

Result<FrontRecipe> front_recipe(const std::string& front, const std::vector<std::string>& listening) {
  for (const std::string& wire : wires_of(front)) {
    for (const bool unix_wanted : {true, false}) {
      for (const std::string& address : listening) {
        const Place place = place_of(address);
        if (place.wire != wire || place.is_unix != unix_wanted) continue;
        const auto make = front == "nginx"      ? for_nginx
                          : front == "apache"   ? for_apache
                          : front == "htaccess" ? for_htaccess
                                                : for_lighttpd;
        return FrontRecipe{address, make(place)};
      }
    }
  }
  Error error{ErrorCode::failed, fmt::format("{} can speak to none of the daemon's addresses", front)};
  error.hint =
      "add to `listen` in moult.toml: { unix = \"~/run/fcgi.sock\", wire = \"fcgi\", mode = \"0660\", group "
      "= \"www-data\" }";
  return fail(std::move(error));
}

}  // namespace moult::ctl
