#pragma once

// Included ahead of every C++ file of the tsan preset. protobuf's headers add members to every map field where the
// compiler says -fsanitize=thread (map_field.h: seq1_, seq2_), and absl's add calls to inline functions. The libraries
// were built without: a message with a map would be 8 bytes longer here than there, and the first access from the other
// side is a SEGV. So the headers must see what the libraries saw. The standard library, whose headers only choose
// atomics that the sanitizer understands better, decides before. Code is instrumented by the flag, not by the macro:
// nothing goes unwatched.
#include <version>

#undef __SANITIZE_THREAD__
