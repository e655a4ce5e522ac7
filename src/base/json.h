// Writes JSON piece by piece, straight into a text. Only writing: nothing of ours reads JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace upkeep {

/// Appends `text` as a JSON string without any line end, be it Unicode's. Whatever the bytes, it
/// comes back: those that are not UTF-8 become lone surrogates \udc80 to \udcff, which Python's
/// "surrogateescape" turns into them again.
void append_json_string(std::string& out, std::string_view text);

/// A JSON document under construction. The caller sees to the nesting: what is begun is ended, and
/// within an object every value follows its key(). Commas come by themselves.
class JsonWriter {
 public:
  /// Appends to `out`, which has to outlive the writer.
  explicit JsonWriter(std::string& out) : out_(out) {}

  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }

  void key(std::string_view name);

  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(bool truth);
  void value(int number) { value(std::int64_t{number}); }
  void value(unsigned number) { value(std::uint64_t{number}); }
  void value(std::int64_t number);
  void value(std::uint64_t number);

  template <typename T>
  void value(const std::vector<T>& list) {
    begin_array();
    for (const T& item : list) value(item);
    end_array();
  }

  template <typename T>
  void member(std::string_view name, const T& content) {
    key(name);
    value(content);
  }

 private:
  void begin(char bracket);
  void end(char bracket);
  void separate();

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace upkeep
