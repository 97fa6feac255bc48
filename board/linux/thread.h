/* thread.h - threads that take no signals, and waits that end. */
#ifndef LC_THREAD_H
#define LC_THREAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

/* Signals belong to the loop's thread. False: the system gives no thread. */
bool lc_thread_start(pthread_t *thread, void *(*run)(void *), void *arg);
/* Until the semaphore is posted, or the time is over. */
void lc_thread_wait(sem_t *wake, uint64_t ms);

#endif
