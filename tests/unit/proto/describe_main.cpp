// describe_proto DESCRIPTOR_SET OUT: writes the lines that proto_breaking_test compares with.
#include <cstdio>
#include <fstream>

#include "tests/unit/proto/schema.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const bulkhead::Lines lines = bulkhead::Describe(bulkhead::LoadOwnFiles(argv[1]));
  std::ofstream out(argv[2]);
  for (const std::string& line : lines) out << line << "\n";
  if (lines.empty() || !out.flush()) {
    std::fprintf(stderr, "describe_proto: cannot read %s or write %s\n", argv[1], argv[2]);
    return 1;
  }
  return 0;
}
