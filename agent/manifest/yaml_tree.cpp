#include "agent/manifest/yaml_tree.h"

#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace bulkhead {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxNodes = 200'000;
constexpr size_t kMaxTextBytes = 4 * kMaxBytes;  // of all scalars, aliases expanded
constexpr size_t kMaxDepth = 32;

// Proto strings must be UTF-8. Overlong forms and surrogates pass: they are harmless here and protobuf checks again.
bool IsUtf8(const std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (size_t j = 1; j < length; ++j)
      if ((static_cast<unsigned char>(text[i + j]) & 0xc0) != 0x80) return false;
    i += length;
  }
  return true;
}

// Builds trees from yaml-cpp's events. After an error it ignores the rest: throwing from here would be an exception of
// ours.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Report& report) : report_(report) {}
  std::vector<YamlNode> Take() { return std::move(documents_); }
  bool failed() const { return failed_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp 0.7 does not get past a stray "]" or ":"; it reports empty documents at that place for ever.
    if (mark.pos == last_start_) Fail(mark.line + 1, "not valid YAML: unexpected text");
    last_start_ = mark.pos;
    anchors_.clear();
    stack_.clear();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Finish({.line = mark.line + 1}, anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    Finish({.kind = YamlNode::Kind::kScalar, .line = mark.line + 1, .text = value}, anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return Fail(mark.line + 1, "an alias of a value that contains it");
    if (!Charge(found->second, mark.line + 1)) return;
    YamlNode copy = found->second;
    if (stack_.size() + DepthOf(copy) > kMaxDepth)
      return Fail(mark.line + 1, fmt::format("nested more than {} levels deep", kMaxDepth));
    Place(std::move(copy));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;  // in a mapping: the key was read, its value comes next
    std::string key;
    int key_line = 0;
    std::set<std::string> keys;
  };

  void Fail(int line, const std::string& message) {
    if (!failed_) report_.Add(line, "", message);
    failed_ = true;
  }

  void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    // yaml-cpp says "?" for a plain value and "!" for a quoted one.
    if (!tag.empty() && tag != "?" && tag != "!" && tag.rfind("tag:yaml.org,2002:", 0) != 0)
      Fail(mark.line + 1, fmt::format("the tag {} is not known here", Quoted(tag)));
  }

  bool Charge(const YamlNode& node, int line) {
    if (failed_) return false;
    ++nodes_;
    text_bytes_ += node.text.size() + node.key.size();
    if (nodes_ > kMaxNodes || text_bytes_ > kMaxTextBytes) {
      Fail(line, fmt::format("too large: at most {} values and {} MiB of text, aliases expanded", kMaxNodes,
                             kMaxTextBytes >> 20));
      return false;
    }
    for (const YamlNode& item : node.items)
      if (!Charge(item, line)) return false;
    return true;
  }

  static size_t DepthOf(const YamlNode& node) {
    size_t deepest = 0;
    for (const YamlNode& item : node.items) deepest = std::max(deepest, DepthOf(item));
    return deepest + (node.kind == YamlNode::Kind::kList || node.kind == YamlNode::Kind::kMap ? 1 : 0);
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    if (failed_) return;
    CheckTag(mark, tag);
    if (stack_.size() >= kMaxDepth)
      return Fail(mark.line + 1, fmt::format("nested more than {} levels deep", kMaxDepth));
    Frame frame;
    frame.node.kind = kind;
    frame.node.line = mark.line + 1;
    frame.anchor = anchor;
    stack_.push_back(std::move(frame));
  }

  void Close() {
    if (failed_ || stack_.empty()) return;
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    YamlNode node = std::move(frame.node);
    ++nodes_;
    Remember(node, frame.anchor);
    Place(std::move(node));
  }

  void Finish(YamlNode node, YAML::anchor_t anchor) {
    if (!Charge(node, node.line)) return;
    Remember(node, anchor);
    Place(std::move(node));
  }

  void Remember(const YamlNode& node, YAML::anchor_t anchor) {
    if (anchor != 0 && Charge(node, node.line)) anchors_[anchor] = node;
  }

  // Where a finished node belongs: the document, a list, or a mapping as key or value.
  void Place(YamlNode node) {
    if (failed_) return;
    if (stack_.empty()) {
      if (node.kind != YamlNode::Kind::kNull) documents_.push_back(std::move(node));
      return;
    }
    Frame& parent = stack_.back();
    if (parent.node.kind == YamlNode::Kind::kMap && !parent.has_key) return PlaceKey(parent, node);
    if (parent.node.kind == YamlNode::Kind::kMap) {
      node.key = std::move(parent.key);
      node.line = parent.key_line;
      parent.has_key = false;
    }
    parent.node.items.push_back(std::move(node));
  }

  void PlaceKey(Frame& parent, const YamlNode& node) {
    if (node.kind != YamlNode::Kind::kScalar) return Fail(node.line, "a key must be a plain word");
    // Not fatal for the tree: all duplicates of a text are worth reporting.
    if (!parent.keys.insert(node.text).second)
      report_.Add(node.line, "", fmt::format("the key {} is there twice in one mapping", Quoted(node.text)));
    parent.has_key = true;
    parent.key = node.text;
    parent.key_line = node.line;
  }

  Report& report_;
  bool failed_ = false;
  int last_start_ = -1;  // where the document before began
  size_t nodes_ = 0;
  size_t text_bytes_ = 0;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  std::vector<YamlNode> documents_;
};

}  // namespace

std::vector<YamlNode> ParseYaml(const std::string& text, Report& report) {
  if (text.size() > kMaxBytes) {
    report.Add(1, "", fmt::format("too large: {} bytes, at most {} MiB are read", text.size(), kMaxBytes >> 20));
    return {};
  }
  if (!IsUtf8(text)) {
    report.Add(1, "", "not UTF-8 text");
    return {};
  }
  TreeBuilder builder(report);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (!builder.failed() && parser.HandleNextDocument(builder)) continue;
  } catch (const YAML::Exception& error) {
    if (!builder.failed()) report.Add(error.mark.line + 1, "", fmt::format("not valid YAML: {}", error.msg));
  } catch (const std::exception& error) {  // std::bad_alloc and what the library does not document
    if (!builder.failed()) report.Add(1, "", fmt::format("not valid YAML: {}", error.what()));
  }
  return builder.Take();
}

}  // namespace bulkhead
