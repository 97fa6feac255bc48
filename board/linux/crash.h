/* crash.h - one last thing to do when the program fails: outputs to their safe level. */
#ifndef LC_CRASH_H
#define LC_CRASH_H

/* `last` is called once, from a signal handler, on SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT;
 * then the signal does what it does. It may only use what a handler may: an ioctl. Nothing helps
 * against SIGKILL: the supervisor starts `leafcutterd --rest` after that. */
void lc_crash_watch(void (*last)(void *ctx), void *ctx);

#endif
