// Attention on the GPU of this machine: is it right, and how fast is it? Needs no TensorFlow.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/attention_cuda_time.h"
#include "kernels/attention_cuda_check.h"

namespace {

const char kHelp[] =
    R"(Attention on the GPU of this machine: is it right, and how fast is it?

  attention_cuda --check [--cases N]
  attention_cuda --time [--torch] [--shapes BxSxHxD ...] [--repeats N] [--json FILE]

  --check     Holds forward, backward and decoding to the plain formula; exit 1 if they differ.
  --cases     Random mixes of options, 1000 if not said; some other groups shrink with few.
  --time      Milliseconds, TFLOP/s and the share of what the tensor cores could do.
  --shapes    Sequences x tokens x heads x width of a head; if not said, 16384 tokens of 2048
              numbers in sequences of 512 to 16384, and decoding.
  --repeats   Turns of which the median counts; 7 if not said.
  --torch     Then takes turns with PyTorch's flash attention and cuDNN's, which python3 must
              have; bench/attention_cuda_torch.py does it, and knows more options.
  --json      Writes what was measured to a file, too; beside PyTorch, to FILE.torch.json.

Examples:

  attention_cuda --check --time --torch --json attention.json
  attention_cuda --check --cases 100
  attention_cuda --time --shapes 4x4096x16x128 32x512x32x64
)";

[[noreturn]] void Refuse(const std::string& sentence) {
  std::fprintf(stderr, "%s Try --help.\n", sentence.c_str());
  std::exit(2);
}

int AtLeastOne(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const long number = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != 0 || number < 1 || number > 1000000) {
    Refuse(option + " takes a number from 1 to 1000000. Received: \"" + text + "\".");
  }
  return static_cast<int>(number);
}

knl::BenchShape ParseShape(const std::string& text) {
  long long b = 0, s = 0, h = 0, d = 0;
  int used = 0;
  const int found = std::sscanf(text.c_str(), "%lldx%lldx%lldx%lld%n", &b, &s, &h, &d, &used);
  if (found != 4 || used != static_cast<int>(text.size()) || b < 1 || s < 1 || h < 1 ||
      d < 1 || d > 256 || b > 1000000 || s > 1000000000 || h > 65535 ||
      1.0 * b * s * h * d > 1e11) {
    Refuse("--shapes takes sequences x tokens x heads x width (1 to 256), 4x4096x16x128 say. "
           "Received: \"" + text + "\".");
  }
  return {b, s, h, d};
}

// Goes on as the driver beside PyTorch; returns only if there is no Python.
void BecomeTorchDriver(const knl::TimeOptions& options) {
  std::vector<std::string> command = {"python3", KNL_TORCH_DRIVER, "--library", KNL_LIBRARY,
                                      "--repeats", std::to_string(options.repeats)};
  if (!options.json.empty()) {
    command.insert(command.end(), {"--json", options.json + ".torch.json"});
  }
  if (!options.shapes.empty()) command.push_back("--shapes");
  for (const knl::BenchShape& s : options.shapes) {
    command.push_back(std::to_string(s.batch) + "x" + std::to_string(s.length) + "x" +
                      std::to_string(s.heads) + "x" + std::to_string(s.width));
  }
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  std::fflush(stdout);
  execvp(arguments[0], arguments.data());
  std::fprintf(stderr, "python3 is missing, which --torch needs.\n");
}

}  // namespace

int main(int count, char** arguments) {
  bool check = false, time = false, torch = false, time_options = false, cases = false;
  knl::CheckSize size;
  knl::TimeOptions options;
  int next = 1;
  const auto value_of = [&](const std::string& option) -> std::string {
    if (next >= count) Refuse(option + " needs a value.");
    return arguments[next++];
  };
  while (next < count) {
    const std::string option = arguments[next++];
    if (option == "--help" || option == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    } else if (option == "--check") {
      check = true;
    } else if (option == "--time") {
      time = true;
    } else if (option == "--torch") {
      torch = time_options = true;
    } else if (option == "--cases") {
      size.random_cases = AtLeastOne(option, value_of(option));
      cases = true;
    } else if (option == "--repeats") {
      options.repeats = AtLeastOne(option, value_of(option));
      time_options = true;
    } else if (option == "--json") {
      options.json = value_of(option);
      time_options = true;
    } else if (option == "--shapes") {
      options.shapes.push_back(ParseShape(value_of(option)));
      while (next < count && arguments[next][0] != '-') {
        options.shapes.push_back(ParseShape(arguments[next++]));
      }
      time_options = true;
    } else {
      Refuse("There is no option \"" + option + "\".");
    }
  }
  if (!check && !time) Refuse("Say --check, --time or both.");
  if (cases && !check) Refuse("--cases belongs to --check, which is not asked for.");
  if (time_options && !time) {
    Refuse("--torch, --shapes, --repeats and --json belong to --time, which is not asked for.");
  }
  if (knl::Problem problem = nullptr;
      knl::CudaImplementation(knl::Element::kFloat16, 64, &problem) == nullptr) {
    std::fprintf(stderr, "%s\n", problem);
    return 1;
  }
  bool fine = true;
  if (check) fine &= knl::CheckAll(size) == 0;
  if (time) fine &= knl::TimeAll(options);
  if (torch && fine) {
    BecomeTorchDriver(options);
    return 1;
  }
  return fine ? 0 : 1;
}
