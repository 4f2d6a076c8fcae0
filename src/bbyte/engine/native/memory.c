/* Memory of zeros, aligned; large pieces in large pages where the system has them, for what is read all over. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

enum { LARGE_PAGE = 1 << 21 };

void *aligned_zeros(size_t bytes) {
    void *memory = NULL;
    size_t alignment = bytes < LARGE_PAGE ? 64 : LARGE_PAGE;
    if (bytes > SIZE_MAX - 2 * alignment) return NULL;
    size_t size = (bytes + 64 + alignment - 1) / alignment * alignment; /* room to read a whole vector at the end */
#ifdef _WIN32
    memory = _aligned_malloc(size, 64);
#else
    if (posix_memalign(&memory, alignment, size)) memory = NULL;
#endif
#ifdef __linux__
    if (memory && alignment == LARGE_PAGE) madvise(memory, size, MADV_HUGEPAGE); /* a wish: no matter if refused */
#endif
    if (memory) memset(memory, 0, size);
    return memory;
}

void aligned_free(void *memory) {
#ifdef _WIN32
    _aligned_free(memory);
#else
    free(memory);
#endif
}
