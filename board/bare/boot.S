/* boot.S - start of an image without an operating system: cores, exception level, FP, MMU, main.
 *
 * Entered at EL3 (QEMU raspi3b, all four cores), EL2 (Pi firmware) or EL1 (QEMU virt). One core
 * goes on, at EL1 with floating point, caches and a flat memory map; the others sleep. Register
 * values: Arm Architecture Reference Manual for A-profile, chapter D17.
 */
    .section .text.boot, "ax"
    .global _start
_start:
    mrs x1, mpidr_el1
    and x1, x1, #0xff
    cbz x1, first_core
sleep:
    wfe
    b sleep

first_core:
    ldr x2, =__stack_top
    mrs x0, CurrentEL
    cmp x0, #(3 << 2)
    b.lo below_el3
    mov x0, #0x5b1              /* SCR_EL3: not secure, HVC allowed, SMC not, reserved ones */
    orr x0, x0, #(1 << 10)      /* EL2 is AArch64 */
    msr scr_el3, x0
    msr cptr_el3, xzr           /* floating point does not trap */
    mov x0, #0x3c9              /* to EL2h, interrupts masked */
    msr spsr_el3, x0
    adr x0, below_el3
    msr elr_el3, x0
    eret

below_el3:
    mrs x0, CurrentEL
    cmp x0, #(2 << 2)
    b.lo at_el1
    mov x0, #(1 << 31)          /* HCR_EL2: EL1 is AArch64 */
    msr hcr_el2, x0
    mov x0, #0x33ff             /* CPTR_EL2: floating point does not trap */
    msr cptr_el2, x0
    ldr x0, =0x30d00800         /* SCTLR_EL1: reserved ones; MMU and caches off */
    msr sctlr_el1, x0
    mov x0, #0x3c5              /* to EL1h, interrupts masked */
    msr spsr_el2, x0
    adr x0, at_el1
    msr elr_el2, x0
    eret

at_el1:
    mov sp, x2
    mov x0, #(3 << 20)          /* CPACR_EL1: floating point on, before any C */
    msr cpacr_el1, x0
    adr x0, vectors
    msr vbar_el1, x0
    isb
    ldr x0, =__bss_start        /* both ends are multiples of 16 */
    ldr x1, =__bss_end
clear:
    cmp x0, x1
    b.hs cleared
    stp xzr, xzr, [x0], #16
    b clear

cleared:
    bl bare_memory_map          /* x0: level 1 table */
    msr ttbr0_el1, x0
    ldr x0, =0xff04             /* MAIR_EL1: 0 device nGnRE, 1 normal write-back */
    msr mair_el1, x0
    ldr x0, =0x80803520         /* TCR_EL1: 4 GiB of 4 KiB pages, write-back, no TTBR1 */
    msr tcr_el1, x0
    dsb sy
    tlbi vmalle1
    ic iallu
    dsb sy
    isb
    mrs x0, sctlr_el1
    ldr x1, =0x1005             /* MMU, data and instruction cache on */
    orr x0, x0, x1
    msr sctlr_el1, x0
    isb
    bl bare_start
halt:
    wfi
    b halt

    .balign 2048
vectors:                        /* any exception ends the run with a report */
    .rept 16
    mrs x0, esr_el1
    mrs x1, elr_el1
    mrs x2, far_el1
    b trapped
    .balign 128
    .endr
trapped:
    bl bare_trap
    b halt
