/* A few threads that work on one thing together: they spin while work is near and sleep when it is not. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#define REST() _mm_pause()
#elif defined(__aarch64__)
#define REST() __asm__ volatile("yield")
#else
#define REST() ((void)0)
#endif

enum { SPINS_AT_A_BARRIER = 2000, SPINS_FOR_WORK = 20000, LONGEST_REST = 256 };
enum { SHORT = 1000000 }; /* nanoseconds; in less, the time a thread takes to wake would count as waiting */

struct team {
    int size, active; /* threads there are, and those that share the work at hand */
    int rest, next_rest; /* tasks that one thread does alone, because the cores are wanted elsewhere */
    int64_t waited; /* nanoseconds that thread 0 stood at barriers for long */
    pid_t owner;
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint phase;
    _Alignas(64) atomic_uint task;
    atomic_int sleeping;
    int ending;
    void (*work)(void *, int);
    void *argument;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[MOST_THREADS];
};

typedef struct {
    team *team;
    int id;
} member;

/* Rounding to nearest and subnormal numbers kept, whatever the caller has set; returns what that was. */
uint64_t set_arithmetic(uint64_t wanted, int restore) {
#if defined(__x86_64__) || defined(__i386__)
    uint64_t before = _mm_getcsr();
    _mm_setcsr(restore ? (unsigned)wanted : 0x1f80u);
    return before;
#elif defined(__aarch64__)
    uint64_t before, now = restore ? wanted : 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(now));
    return before;
#else
    (void)wanted, (void)restore;
    return 0;
#endif
}

static void *live(void *argument) {
    member *self = argument;
    team *crew = self->team;
    int id = self->id;
    unsigned seen = 0;
    free(self);
    set_arithmetic(0, 0);
    for (;;) {
        int spins = 0;
        while (atomic_load_explicit(&crew->task, memory_order_acquire) == seen) {
            if (++spins < SPINS_FOR_WORK) {
                REST();
                continue;
            }
            pthread_mutex_lock(&crew->lock);
            atomic_fetch_add(&crew->sleeping, 1);
            while (atomic_load(&crew->task) == seen) pthread_cond_wait(&crew->wake, &crew->lock);
            atomic_fetch_sub(&crew->sleeping, 1);
            pthread_mutex_unlock(&crew->lock);
        }
        seen = atomic_load_explicit(&crew->task, memory_order_acquire);
        if (crew->ending) return NULL;
        crew->work(crew->argument, id);
        team_barrier(crew, id);
    }
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void start(team *crew, int threads) {
    crew->owner = getpid();
    atomic_init(&crew->arrived, 0);
    atomic_init(&crew->phase, 0);
    atomic_init(&crew->task, 0);
    atomic_init(&crew->sleeping, 0);
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->wake, NULL);
    for (crew->size = 1; crew->size < threads; crew->size++) {
        member *one = malloc(sizeof *one);
        if (!one) break;
        *one = (member){crew, crew->size};
        if (pthread_create(&crew->threads[crew->size], NULL, live, one)) {
            free(one);
            break; /* fewer threads give the same bits */
        }
    }
    crew->active = crew->size;
}

team *team_new(int threads) {
    team *crew = aligned_zeros(sizeof *crew);
    if (!crew) return NULL;
    start(crew, threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads);
    return crew;
}

int team_size(const team *crew) { return crew->active; }

static void announce(team *crew) {
    pthread_mutex_lock(&crew->lock); /* so that no thread falls asleep between its look and its wait */
    atomic_fetch_add_explicit(&crew->task, 1, memory_order_release);
    if (atomic_load(&crew->sleeping)) pthread_cond_broadcast(&crew->wake);
    pthread_mutex_unlock(&crew->lock);
}

/* Where other programs want the cores, waiting for a thread that is not running costs more than it is worth: the
   next tasks are done by one thread, then it is tried again. No bit depends on it. */
static void look_back(team *crew, int64_t took) {
    if (crew->active == 1) {
        crew->rest--;
    } else if (took > SHORT && crew->waited * 3 > took) {
        crew->rest = crew->next_rest = crew->next_rest < LONGEST_REST ? 2 * crew->next_rest + 1 : LONGEST_REST;
    } else {
        crew->next_rest /= 2;
    }
}

void team_run(team *crew, void (*work)(void *, int), void *argument) {
    uint64_t before = set_arithmetic(0, 0);
    if (crew->owner != getpid()) start(crew, crew->size); /* a fork has no threads but its own */
    int64_t started = crew->size > 1 ? now() : 0;
    crew->work = work, crew->argument = argument;
    crew->active = crew->rest > 0 ? 1 : crew->size;
    crew->waited = 0;
    if (crew->active > 1) announce(crew);
    work(argument, 0);
    team_barrier(crew, 0);
    if (crew->size > 1) look_back(crew, now() - started);
    set_arithmetic(before, 1);
}

void team_barrier(team *crew, int id) {
    unsigned awaited = (unsigned)crew->active; /* once one has arrived it may be that of the next task */
    unsigned phase = atomic_load_explicit(&crew->phase, memory_order_relaxed);
    if (awaited == 1) return;
    if (atomic_fetch_add_explicit(&crew->arrived, 1, memory_order_acq_rel) + 1 == awaited) {
        atomic_store_explicit(&crew->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&crew->phase, phase + 1, memory_order_release);
        return;
    }
    int64_t since = 0;
    for (int spins = 0; atomic_load_explicit(&crew->phase, memory_order_acquire) == phase; spins++) {
        if (spins < SPINS_AT_A_BARRIER) {
            REST();
        } else {
            if (!since) since = now();
            sched_yield(); /* another program wants the core that a member of the team needs */
        }
    }
    if (since && id == 0) crew->waited += now() - since;
}

void team_free(team *crew) {
    if (!crew) return;
    if (crew->owner == getpid() && crew->size > 1) {
        crew->ending = 1;
        announce(crew);
        for (int id = 1; id < crew->size; id++) pthread_join(crew->threads[id], NULL);
    }
    aligned_free(crew);
}
