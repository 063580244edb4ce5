#include "call.h"

#include <cstdarg>
#include <cstdio>

namespace knl {

Problem Say(const char* format, ...) {
  thread_local char sentence[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof(sentence), format, arguments);
  va_end(arguments);
  return sentence;
}

}  // namespace knl
