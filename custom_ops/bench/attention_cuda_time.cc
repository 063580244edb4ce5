#include "bench/attention_cuda_time.h"

#include <cuda_runtime_api.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention_cuda.h"

namespace knl {
namespace {

void Must(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "CUDA could not %s: %s.\n", what, cudaGetErrorString(error));
  std::exit(1);
}

__attribute__((format(printf, 1, 2))) std::string Text(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

// ---- The device ----

// Products and sums that the tensor cores of a multiprocessor make in a clock, with bfloat16
// or float16 summed in float; 0 if unknown. Of GeForce cards, which share numbers of versions
// with cards for servers, half of them.
int FlopsPerClock(int version) {
  const std::map<int, int> known = {{70, 1024},  {72, 1024},  {75, 1024},  {80, 2048},
                                    {86, 1024},  {87, 2048},  {89, 1024},  {90, 4096},
                                    {100, 8192}, {103, 8192}, {120, 1024}, {121, 1024}};
  const auto found = known.find(version);
  return found == known.end() ? 0 : found->second;
}

struct Peak {
  std::string name;
  int version = 0, multiprocessors = 0;
  double clock = 0;             // Hz, the highest
  double flops = 0, bytes = 0;  // a second; 0 if unknown

  Peak() {
    int device = 0;
    Must(cudaGetDevice(&device), "find a GPU");
    cudaDeviceProp properties;
    Must(cudaGetDeviceProperties(&properties, device), "ask for the GPU's properties");
    name = properties.name;
    version = properties.major * 10 + properties.minor;
    multiprocessors = properties.multiProcessorCount;
    const auto ask = [&](cudaDeviceAttr attribute) {
      int value = 0;
      if (cudaDeviceGetAttribute(&value, attribute, device) != cudaSuccess) return 0.0;
      return static_cast<double>(value);
    };
    clock = ask(cudaDevAttrClockRate) * 1e3;
    flops = clock * multiprocessors * FlopsPerClock(version);
    bytes = ask(cudaDevAttrMemoryClockRate) * 1e3 * 2 *  // at both edges of the clock
            ask(cudaDevAttrGlobalMemoryBusWidth) / 8;
  }
  void Print() const {
    std::printf("%s, sm_%d, %d multiprocessors at up to %.0f MHz\n", name.c_str(), version,
                multiprocessors, clock / 1e6);
    if (flops > 0) {
      std::printf("  tensor cores: %d FLOPs a clock and multiprocessor, %.0f TFLOP/s at that "
                  "clock (data sheets assume a lower one)\n",
                  FlopsPerClock(version), flops / 1e12);
    } else {
      std::printf("  tensor cores: their speed is not known here\n");
    }
    if (bytes > 0) {
      std::printf("  memory: %.0f GB/s\n", bytes / 1e9);
    } else {
      std::printf("  memory: the driver does not tell how fast it is\n");
    }
  }
};

// ---- Memory ----

class Buffer {
 public:
  explicit Buffer(size_t bytes) : bytes_(bytes) {
    if (cudaMalloc(&memory_, std::max<size_t>(bytes, 256)) != cudaSuccess) {
      cudaGetLastError();
      memory_ = nullptr;
    }
  }
  Buffer(Buffer&& other) : bytes_(other.bytes_), memory_(other.memory_) {
    other.memory_ = nullptr;
  }
  ~Buffer() { cudaFree(memory_); }
  void* data() const { return memory_; }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_;
  void* memory_ = nullptr;
};

uint16_t Rounded(Element element, float x) {  // |x| is normal in both types, or cut to 0
  uint32_t bits;
  static_assert(sizeof(bits) == sizeof(x), "");
  __builtin_memcpy(&bits, &x, 4);
  if (element == Element::kBFloat16) return static_cast<uint16_t>((bits + 0x8000) >> 16);
  if (std::fabs(x) < 0x1p-14f) return 0;
  return static_cast<uint16_t>((bits >> 16 & 0x8000) |
                               (((bits & 0x7fffffff) - (112u << 23)) >> 13));
}

// Random numbers, normally distributed, the same million again and again; each array begins
// at another place of it.
Buffer Normals(Element element, int64_t size) {
  const int64_t kPeriod = 1 << 20;
  static int64_t begin = 0;
  begin = (begin + 123457) % kPeriod;
  static std::map<Element, std::vector<uint16_t>> made;
  std::vector<uint16_t>& numbers = made[element];
  if (numbers.empty()) {
    std::mt19937 bits(1);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < kPeriod; ++i) numbers.push_back(Rounded(element, normal(bits)));
  }
  Buffer buffer(size * 2);
  for (int64_t at = 0; at < size && buffer.data() != nullptr;) {
    const int64_t from = (begin + at) % kPeriod, some = std::min(kPeriod - from, size - at);
    Must(cudaMemcpy(static_cast<uint16_t*>(buffer.data()) + at, numbers.data() + from, some * 2,
                    cudaMemcpyHostToDevice),
         "copy to the GPU");
    at += some;
  }
  return buffer;
}

// Scratch that is kept from call to call: calls follow each other on one stream.
class BenchDevice : public CudaDevice {
 public:
  BenchDevice() { Must(cudaStreamCreate(&stream_), "make a stream"); }
  CUstream_st* stream() const override { return stream_; }
  void* Scratch(size_t bytes) override {
    if (next_ == scratch_.size()) scratch_.emplace_back(new Buffer(bytes));
    auto& buffer = scratch_[next_++];
    if (buffer->bytes() < bytes) buffer.reset(new Buffer(bytes));
    return buffer->data();
  }
  void Begin() { next_ = 0; }

 private:
  cudaStream_t stream_;
  std::vector<std::unique_ptr<Buffer>> scratch_;
  size_t next_ = 0;
};

// ---- Timing ----

struct Contender {
  std::function<Problem()> call;
  std::vector<double> seconds;  // of each turn
  int calls = 1;                // of a turn
  std::string problem;

  double Median() {
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

class Timer {
 public:
  explicit Timer(BenchDevice& device) : device_(device) {
    Must(cudaEventCreate(&begin_), "make an event");
    Must(cudaEventCreate(&end_), "make an event");
  }
  // Warms all up, then lets them take turns of some milliseconds each.
  void TakeTurns(std::vector<Contender>& all, int repeats) {
    for (Contender& c : all) {
      double seconds = Turn(c);
      if (!c.problem.empty()) continue;
      seconds = Turn(c);
      c.calls = std::max(1, std::min(1000, static_cast<int>(std::ceil(0.004 / seconds))));
      Turn(c);
    }
    for (int i = 0; i < repeats; ++i) {
      for (Contender& c : all) {
        if (c.problem.empty()) c.seconds.push_back(Turn(c));
      }
    }
  }

 private:
  // Seconds of a call.
  double Turn(Contender& c) {
    Must(cudaEventRecord(begin_, device_.stream()), "record an event");
    for (int i = 0; i < c.calls; ++i) {
      device_.Begin();
      if (Problem problem = c.call()) {
        c.problem = problem;
        return 0;
      }
    }
    Must(cudaEventRecord(end_, device_.stream()), "record an event");
    Must(cudaEventSynchronize(end_), "finish its work");
    float milliseconds = 0;
    Must(cudaEventElapsedTime(&milliseconds, begin_, end_), "measure time");
    return std::max(1e-7, milliseconds * 1e-3 / c.calls);
  }

  BenchDevice& device_;
  cudaEvent_t begin_, end_;
};

// ---- Attention ----

// Lengths from a tenth of the longest to all of it, evenly spread.
std::vector<int64_t> RaggedSplits(int64_t batch, int64_t length) {
  std::vector<int64_t> splits = {0};
  for (int64_t b = 0; b < batch; ++b) {
    const double share = batch == 1 ? 0.55 : 0.1 + 0.9 * b / (batch - 1);
    splits.push_back(splits.back() + std::max<int64_t>(1, std::llround(share * length)));
  }
  return splits;
}

const char* Name(Element element) {
  return element == Element::kBFloat16 ? "bfloat16" : "float16";
}

std::string Of(double peak, double reached) {
  return peak > 0 ? Text("%.2f", reached / peak) : "";
}

std::string Json(double peak, double reached) {
  return peak > 0 ? Text("%.4f", reached / peak) : "null";
}

void TimeShape(const BenchShape& s, Element element, int repeats, const Peak& peak,
               BenchDevice& device, std::vector<std::string>* json) {
  const int64_t size = s.batch * s.length * s.heads * s.width;
  const Buffer q = Normals(element, size), k = Normals(element, size);
  const Buffer v = Normals(element, size), dout = Normals(element, size);
  const Buffer out(size * 2), dq(size * 2), dk(size * 2), dv(size * 2);
  const Buffer lse(size / s.width * 4), seed(8), splits((s.batch + 1) * 8);
  for (const Buffer* buffer : {&q, &k, &v, &dout, &out, &dq, &dk, &dv, &lse, &seed, &splits}) {
    if (buffer->data() == nullptr) {
      std::printf("%lldx%lldx%lldx%lld: left out, for want of memory\n", (long long)s.batch,
                  (long long)s.length, (long long)s.heads, (long long)s.width);
      return;
    }
  }
  const uint32_t seeds[] = {1, 2};
  Must(cudaMemcpy(seed.data(), seeds, 8, cudaMemcpyHostToDevice), "copy to the GPU");
  const std::vector<int64_t> ragged = RaggedSplits(s.batch, s.length);
  Must(cudaMemcpy(splits.data(), ragged.data(), (s.batch + 1) * 8, cudaMemcpyHostToDevice),
       "copy to the GPU");

  struct Kind {
    const char* name;
    bool causal, packed, dropout;
  };
  const Kind kinds[] = {{"full", false, false, false},
                        {"causal", true, false, false},
                        {"dropout", false, false, true},
                        {"ragged", false, true, false},
                        {"ragged causal", true, true, false}};
  std::vector<Contender> contenders;
  for (const Kind& kind : kinds) {
    Attention a;
    a.element = element;
    a.batch = s.batch, a.queries = a.keys = s.length;
    a.heads = a.kv_heads = s.heads, a.width = s.width;
    a.scale = 1 / std::sqrt(static_cast<float>(s.width));
    if (kind.causal) a.window_right = 0;
    if (kind.dropout) a.dropout = 0.1f;
    if (kind.packed) {
      a.query_splits = a.key_splits = static_cast<const int64_t*>(splits.data());
      a.queries = a.keys = ragged.back();
    }
    const auto forward = [&, a] {
      return CudaAttentionForward(a, static_cast<const uint32_t*>(seed.data()), q.data(),
                                  k.data(), v.data(), out.data(),
                                  static_cast<float*>(lse.data()), {}, device);
    };
    const auto backward = [&, a] {
      return CudaAttentionBackward(a, static_cast<const uint32_t*>(seed.data()), q.data(),
                                   k.data(), v.data(), out.data(),
                                   static_cast<float*>(lse.data()), dout.data(), nullptr,
                                   dq.data(), dk.data(), dv.data(), nullptr, {}, device);
    };
    contenders.push_back({forward, {}, 1, ""});
    contenders.push_back({backward, {}, 1, ""});
  }
  Timer(device).TakeTurns(contenders, repeats);

  double full_pairs = 0, ragged_pairs = 0;
  full_pairs = 1.0 * s.batch * s.length * s.length;
  for (int64_t b = 0; b < s.batch; ++b) {
    const double n = ragged[b + 1] - ragged[b];
    ragged_pairs += n * n;
  }
  for (size_t i = 0; i < contenders.size(); ++i) {
    const Kind& kind = kinds[i / 2];
    const bool backward = i % 2;
    const std::string what =
        Text("%s %lldx%lldx%lldx%lld %s %s", Name(element), (long long)s.batch,
             (long long)s.length, (long long)s.heads, (long long)s.width, kind.name,
             backward ? "backward" : "forward");
    if (!contenders[i].problem.empty()) {
      std::printf("%-48s %s\n", what.c_str(), contenders[i].problem.c_str());
      continue;
    }
    const double seconds = contenders[i].Median();
    const double flops = 4 * (kind.packed ? ragged_pairs : full_pairs) * s.width * s.heads *
                         (kind.causal ? 0.5 : 1) * (backward ? 2.5 : 1);
    std::printf("%-48s %9.3f ms %7.1f TFLOP/s %s\n", what.c_str(), seconds * 1e3,
                flops / seconds / 1e12, Of(peak.flops, flops / seconds).c_str());
    std::fflush(stdout);
    json->push_back(Text(
        "{\"dtype\": \"%s\", \"batch\": %lld, \"length\": %lld, \"heads\": %lld, "
        "\"width\": %lld, \"kind\": \"%s\", \"backward\": %s, \"seconds\": %.9g, "
        "\"tflops\": %.2f, \"of_peak\": %s}",
        Name(element), (long long)s.batch, (long long)s.length, (long long)s.heads,
        (long long)s.width, kind.name, backward ? "true" : "false", seconds,
        flops / seconds / 1e12, Json(peak.flops, flops / seconds).c_str()));
  }
}

// ---- Decoding ----

void TimeDecoding(Element element, int repeats, const Peak& peak, BenchDevice& device,
                  std::vector<std::string>* json) {
  for (int64_t kv_heads : {16, 4}) {
    for (int64_t columns : {4096, 16384}) {
      for (int64_t batch : {1, 8, 64}) {
        CachedAttention a;
        a.element = a.cache_element = element;
        a.rows = batch, a.queries = 1, a.columns = columns, a.index = columns - 1;
        a.heads = 16, a.kv_heads = kv_heads, a.width = 128;
        a.scale = 1 / std::sqrt(128.0f);
        const int64_t q_size = batch * a.heads * a.width, kv_size = batch * kv_heads * a.width;
        const Buffer q = Normals(element, q_size), k = Normals(element, kv_size);
        const Buffer v = Normals(element, kv_size), out(q_size * 2);
        // Caches in turns, more than the GPU keeps near: a decoder's other layers are between.
        constexpr int64_t kFar = int64_t{256} << 20;
        const int64_t cache_size = 2 * kv_size * columns;
        std::vector<Buffer> caches;
        for (int64_t made = 0; made < kFar; made += cache_size * 2) {
          caches.push_back(Normals(element, cache_size));
        }
        size_t next = 0;
        const std::string what =
            Text("%s decode, batch %lld, %lld columns, %lld/%lld heads", Name(element),
                 (long long)batch, (long long)columns, (long long)a.heads,
                 (long long)kv_heads);
        if (caches.back().data() == nullptr || q.data() == nullptr || k.data() == nullptr ||
            v.data() == nullptr || out.data() == nullptr) {
          std::printf("%-48s left out, for want of memory\n", what.c_str());
          continue;
        }
        std::vector<Contender> contenders(1);
        contenders[0].call = [&] {
          return CudaCachedAttentionForward(a, q.data(), k.data(), v.data(),
                                            caches[next++ % caches.size()].data(), out.data(),
                                            device);
        };
        Timer(device).TakeTurns(contenders, repeats);
        if (!contenders[0].problem.empty()) {
          std::printf("%-48s %s\n", what.c_str(), contenders[0].problem.c_str());
          continue;
        }
        const double seconds = contenders[0].Median();
        const double rate = 2.0 * kv_size * columns * 2 / seconds;  // a read of the cache
        std::printf("%-48s %9.3f ms %7.0f GB/s %s\n", what.c_str(), seconds * 1e3, rate / 1e9,
                    Of(peak.bytes, rate).c_str());
        std::fflush(stdout);
        json->push_back(Text(
            "{\"dtype\": \"%s\", \"batch\": %lld, \"columns\": %lld, \"heads\": %lld, "
            "\"kv_heads\": %lld, \"width\": 128, \"seconds\": %.9g, \"gb_per_second\": %.1f, "
            "\"of_peak\": %s}",
            Name(element), (long long)batch, (long long)columns, (long long)a.heads,
            (long long)kv_heads, seconds, rate / 1e9, Json(peak.bytes, rate).c_str()));
      }
    }
  }
}

// ---- The report ----

std::string List(const char* name, const std::vector<std::string>& rows) {
  std::string text = Text("  \"%s\": [", name);
  for (size_t i = 0; i < rows.size(); ++i) text += (i > 0 ? ",\n    " : "\n    ") + rows[i];
  return text + "\n  ]";
}

// Readers see the old file or the new one, nothing between.
bool WriteWhole(const std::string& path, const std::string& text) {
  const std::string temporary = path + Text(".%d.tmp", static_cast<int>(getpid()));
  std::FILE* file = std::fopen(temporary.c_str(), "w");
  bool fine = file != nullptr;
  if (fine) {
    fine = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    fine = std::fclose(file) == 0 && fine;
    fine = fine && std::rename(temporary.c_str(), path.c_str()) == 0;
    if (!fine) std::remove(temporary.c_str());
  }
  if (fine) {
    std::printf("Written to %s\n", path.c_str());
  } else {
    std::fprintf(stderr, "Could not write to %s.\n", path.c_str());
  }
  return fine;
}

}  // namespace

bool TimeAll(const TimeOptions& options) {
  const Peak peak;
  peak.Print();
  std::printf("Medians of %d turns; at the end, the share of the peak.\n", options.repeats);
  std::vector<BenchShape> shapes = options.shapes;
  if (shapes.empty()) {
    for (int64_t width : {64, 128}) {
      for (int64_t length : {512, 1024, 2048, 4096, 8192, 16384}) {
        shapes.push_back({16384 / length, length, 2048 / width, width});
      }
    }
  }
  BenchDevice device;
  std::vector<std::string> attention, decoding;
  for (Element element : {Element::kBFloat16, Element::kFloat16}) {
    Problem why = nullptr;
    const char* name = CudaImplementation(element, 128, &why);
    std::printf("%s: %s\n", Name(element), name != nullptr ? name : why);
    if (name == nullptr) continue;
    for (const BenchShape& shape : shapes) {
      TimeShape(shape, element, options.repeats, peak, device, &attention);
    }
    if (options.shapes.empty()) {
      TimeDecoding(element, options.repeats, peak, device, &decoding);
    }
  }
  if (options.json.empty()) return true;
  const auto number = [](double x) { return x > 0 ? Text("%.1f", x) : std::string("null"); };
  return WriteWhole(
      options.json,
      Text("{\n  \"device\": {\"name\": \"%s\", \"sm\": %d, \"multiprocessors\": %d, "
           "\"clock_mhz\": %.0f, \"peak_tflops\": %s, \"peak_gb_per_second\": %s},\n",
           peak.name.c_str(), peak.version, peak.multiprocessors, peak.clock / 1e6,
           number(peak.flops / 1e12).c_str(), number(peak.bytes / 1e9).c_str()) +
          List("attention", attention) + ",\n" + List("decoding", decoding) + "\n}\n");
}

}  // namespace knl
