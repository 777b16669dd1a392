#include "daemon/front/target.h"

#include "daemon/front/http_text.h"

namespace moult::http {

Target split_target(std::string_view method, std::string_view target) {
  Target parts;
  const auto refused = [&parts](int status, std::string_view sentence) {
    parts.refusal = {status, sentence};
    return parts;
  };
  if (method == "CONNECT") return refused(501, "This server is no proxy.");
  if (target == "*") {
    parts.path = target;
    return method == "OPTIONS" ? parts : refused(400, "The target * goes with OPTIONS only.");
  }
  std::string_view rest = target;
  if (!rest.starts_with('/')) {
    const std::size_t scheme = rest.find("://");
    const std::string_view name = rest.substr(0, scheme == std::string_view::npos ? 0 : scheme);
    if (!equals_ignoring_case(name, "http") && !equals_ignoring_case(name, "https")) {
      return refused(400, "The request target is neither a path nor an http address.");
    }
    rest.remove_prefix(scheme + 3);
    parts.authority = rest.substr(0, rest.find_first_of("/?#"));
    rest.remove_prefix(parts.authority.size());
    const auto authority = parse_authority(parts.authority);
    if (!authority || authority->host.empty())
      return refused(400, "The host of the request target is invalid.");
  }
  if (rest.find('#') != std::string_view::npos) return refused(400, "The request target has a fragment.");
  const std::size_t question = rest.find('?');
  parts.path = rest.substr(0, question);
  if (parts.path.empty()) parts.path = "/";
  if (question != std::string_view::npos) parts.query = rest.substr(question + 1);
  return parts;
}

}  // namespace moult::http
