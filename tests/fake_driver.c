/* A stand-in for NVIDIA's driver library, libcuda.so.1: enough for numba-cuda to compile kernels and to launch them.

A launch runs nothing.  It is counted, and recorded where `fake_sizes` says how many bytes each parameter has.  Memory
on the "GPU" is that of the host.  `fake_driver.py` compiles this file and starts Python with it. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long Address;
typedef struct {unsigned grid[3], block[3], shared; void *stream; void *attributes; unsigned count;} Config;

enum {MOST_WORDS = 1024, OUT_OF_MEMORY = 2, NO_CONTEXT = 201};
static void *const CONTEXT = (void *)0x1000;

/* ---- what a program asks about its launches */

static long launches;
static int refuse;
static __thread int sizes[MOST_WORDS], parameters;
static __thread uint64_t record[MOST_WORDS + 4];  /* kernel, blocks, threads, stream; and the parameters */
static __thread void *current;

long fake_launches(void) { return launches; }
uint64_t *fake_record(void) { return record; }
void fake_refuse(int status) { refuse = status; }
void fake_sizes(const int *bytes, int count) {
    parameters = count;
    memcpy(sizes, bytes, count * sizeof *bytes);
}

static int launch(void *function, const unsigned *grid, const unsigned *block, void *stream, void **values) {
    if (refuse) return refuse;
    if (!current) return NO_CONTEXT;
    launches++;
    record[0] = (uint64_t)function, record[1] = grid[0] * grid[1] * grid[2];
    record[2] = block[0] * block[1] * block[2], record[3] = (uint64_t)stream;
    for (int i = 0; i < parameters; i++) {
        record[4 + i] = 0;
        memcpy(record + 4 + i, values[i], sizes[i]);
    }
    return 0;
}

int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **values, void **extra) {
    unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
    return launch(f, grid, block, stream, values);
}
int cuLaunchKernelEx(Config *c, void *f, void **values, void **extra) {
    return launch(f, c->grid, c->block, c->stream, values);
}

/* ---- a GPU of compute capability 8.0 */

int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int number) { *device = 0; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "Fake GPU", length); return 0; }
int cuDeviceGetUuid(char *uuid, int device) { memset(uuid, 1, 16); return 0; }
int cuDeviceTotalMem(size_t *bytes, int device) { *bytes = (size_t)1 << 34; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {  /* the numbers are those of CUdevice_attribute */
        case 1: case 2: case 3: *value = 1024; break;
        case 4: *value = 64; break;
        case 5: *value = 2147483647; break;
        case 6: case 7: *value = 65535; break;
        case 8: *value = 49152; break;
        case 10: *value = 32; break;
        case 16: *value = 108; break;
        case 75: *value = 8; break;
        case 76: *value = 0; break;
        default: *value = 1;
    }
    return 0;
}

/* ---- one context, which a thread must make its own before it launches anything */

int cuDevicePrimaryCtxRetain(void **context, int device) { *context = CONTEXT; return 0; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *flags = 0; *active = 1; return 0; }
int cuCtxGetCurrent(void **context) { *context = current; return 0; }
int cuCtxSetCurrent(void *context) { current = context; return 0; }
int cuCtxPushCurrent(void *context) { current = context; return 0; }
int cuCtxPopCurrent(void **context) { if (context) *context = current; return 0; }
int cuCtxGetDevice(int *device) { *device = 0; return current ? 0 : NO_CONTEXT; }
int cuCtxGetDevice_v2(int *device, void *context) { *device = 0; return 0; }
int cuCtxGetApiVersion(void *context, unsigned *version) { *version = 13000; return 0; }
int cuCtxGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -1; return 0; }

/* ---- memory */

int cuMemAlloc(Address *at, size_t bytes) { return (*at = (Address)malloc(bytes + 64)) ? 0 : OUT_OF_MEMORY; }
int cuMemAllocAsync(Address *at, size_t bytes, void *stream) { return cuMemAlloc(at, bytes); }
int cuMemGetInfo(size_t *left, size_t *total) { *left = *total = (size_t)1 << 34; return 0; }
int cuPointerGetAttribute(void *value, int attribute, Address at) {
    *(Address *)value = attribute == 1 ? (Address)CONTEXT : attribute == 2 ? 2 : at;
    return 0;
}

/* ---- kernels and streams: handles that are never followed */

static size_t handle = 0x20000;
static int give(void **place) { *place = (void *)(handle += 256); return 0; }

int cuModuleLoadDataEx(void **m, const void *image, unsigned n, void *options, void *values) { return give(m); }
int cuLibraryLoadData(void **l, const void *image, void *a, void *b, unsigned c, void *d, void *e, unsigned f) {
    return give(l);
}
int cuModuleGetFunction(void **f, void *module, const char *name) { return give(f); }
int cuLibraryGetKernel(void **k, void *library, const char *name) { return give(k); }
int cuKernelGetFunction(void **f, void *kernel) { *f = kernel; return 0; }
int cuKernelGetLibrary(void **l, void *kernel) { *l = kernel; return 0; }
int cuFuncGetModule(void **m, void *function) { *m = function; return 0; }
int cuKernelGetAttribute(int *value, int attribute, void *kernel, int device) { *value = 64; return 0; }
int cuFuncGetAttribute(int *value, int attribute, void *function) { *value = 64; return 0; }
int cuStreamCreate(void **s, unsigned flags) { return give(s); }
int cuStreamCreateWithPriority(void **s, unsigned flags, int priority) { return give(s); }
int cuStreamGetCtx(void *s, void **context) { *context = CONTEXT; return 0; }
int cuStreamGetCtx_v2(void *s, void **context, void **green) { *context = CONTEXT; if (green) *green = 0; return 0; }
int cuStreamGetFlags(void *s, unsigned *flags) { *flags = 0; return 0; }
int cuStreamGetPriority(void *s, int *priority) { *priority = 0; return 0; }
int cuStreamGetDevice(void *s, int *device) { *device = 0; return 0; }
int cuStreamIsCapturing(void *s, int *capturing) { *capturing = 0; return 0; }
int cuEventCreate(void **e, unsigned flags) { return give(e); }
int cuDeviceGetDefaultMemPool(void **pool, int device) { return give(pool); }
int cuDeviceGetMemPool(void **pool, int device) { return give(pool); }
int cuMemPoolCreate(void **pool, void *properties) { return give(pool); }
int cuDeviceCanAccessPeer(int *can, int device, int peer) { *can = 0; return 0; }
int cuGetErrorString(int status, const char **text) { *text = "an error of the fake driver"; return 0; }
int cuGetErrorName(int status, const char **name) { *name = "FAKE_ERROR"; return 0; }

/* ---- how programs find these functions; one that is not here does nothing and succeeds */

static int nothing(void) { return 0; }

#define HERE(name) {#name, (void *)name}
static const struct {const char *name; void *function;} functions[] = {
    HERE(cuCtxGetApiVersion), HERE(cuCtxGetCurrent), HERE(cuCtxGetDevice), HERE(cuCtxGetStreamPriorityRange),
    HERE(cuCtxPopCurrent), HERE(cuCtxPushCurrent), HERE(cuCtxSetCurrent), HERE(cuDeviceCanAccessPeer),
    HERE(cuDeviceGet), HERE(cuDeviceGetAttribute), HERE(cuDeviceGetCount), HERE(cuDeviceGetDefaultMemPool),
    HERE(cuDeviceGetMemPool), HERE(cuDeviceGetName), HERE(cuDeviceGetUuid), HERE(cuDevicePrimaryCtxGetState),
    HERE(cuDevicePrimaryCtxRetain), HERE(cuDeviceTotalMem), HERE(cuDriverGetVersion), HERE(cuEventCreate),
    HERE(cuFuncGetAttribute), HERE(cuFuncGetModule), HERE(cuGetErrorName), HERE(cuGetErrorString), HERE(cuInit),
    HERE(cuKernelGetAttribute), HERE(cuKernelGetFunction), HERE(cuKernelGetLibrary), HERE(cuLaunchKernel),
    HERE(cuLaunchKernelEx), HERE(cuLibraryGetKernel), HERE(cuLibraryLoadData), HERE(cuMemAlloc), HERE(cuMemAllocAsync),
    HERE(cuMemGetInfo), HERE(cuMemPoolCreate), HERE(cuModuleGetFunction), HERE(cuModuleLoadDataEx),
    HERE(cuPointerGetAttribute), HERE(cuStreamCreate), HERE(cuStreamCreateWithPriority), HERE(cuStreamGetDevice),
    HERE(cuStreamGetFlags), HERE(cuStreamGetPriority), HERE(cuStreamIsCapturing),
};

int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    if (status) *status = 0;
    *function = (void *)nothing;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!strcmp(functions[i].name, name)) *function = functions[i].function;
    if (!strncmp(name, "cuGetProcAddress", 16)) *function = (void *)cuGetProcAddress_v2;
    if (!strcmp(name, "cuStreamGetCtx")) *function = (void *)(version >= 12050 ? (void *)cuStreamGetCtx_v2 : (void *)cuStreamGetCtx);
    if (!strcmp(name, "cuCtxGetDevice") && version >= 13000) *function = (void *)cuCtxGetDevice_v2;
    return 0;
}
int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags) {
    return cuGetProcAddress_v2(name, function, version, flags, 0);
}
