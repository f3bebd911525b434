# The emulated machine's boot ROM. There is no BIOS: it enters the 32-bit protocol of a Linux kernel
# that the emulator has put into memory (the kernel's documents x86/boot.rst and x86/zero-page.rst).
# Given by emulate_x86.sh: KERNEL, INITRD, INITRD_SIZE, MEMORY (bytes), COMMAND_LINE; ./vmlinuz.
ROM = 0xf0000                           # 64 KiB that end at 1 MiB
PARAMS = 0x90000

    .code16
start:
    cli
    lgdtl %cs:gdt_pointer - ROM
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $0x10, $protected
    .code32
protected:
    movw $0x18, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    cld
    movl $params, %esi                  # the kernel writes to them, so they leave the ROM
    movl $PARAMS, %edi
    movl $0x1000 / 4, %ecx
    rep movsl
    movl $PARAMS, %esi
    movl $KERNEL, %eax
    jmp *%eax

    .balign 8
gdt:                                    # flat code at 0x10, flat data at 0x18, as Linux asks
    .quad 0, 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
    .word . - gdt - 1
    .long gdt

params = ROM + 0x1000                   # boot_params, with the setup header of the kernel's file
    .org 0x1000 + 0x1e8
    .byte 2                             # entries of the memory map
    .org 0x1000 + 0x1f1
    .incbin "vmlinuz", 0x1f1, 0x210 - 0x1f1
    .byte 0xff                          # type_of_loader: none of the registered ones
    .incbin "vmlinuz", 0x211, 0x218 - 0x211
    .long INITRD, INITRD_SIZE
    .incbin "vmlinuz", 0x220, 0x228 - 0x220
    .long PARAMS + 0x800                # cmd_line_ptr
    .incbin "vmlinuz", 0x22c, 0x268 - 0x22c
    .org 0x1000 + 0x2d0                 # memory map: address, bytes, 1 for RAM
    .quad 0, 0xa0000
    .long 1
    .quad 0x100000, MEMORY - 0x100000
    .long 1
    .org 0x1000 + 0x800
    .asciz COMMAND_LINE

    .org 0xfff0                         # the first instruction of an x86 processor
    .code16
    ljmp $ROM >> 4, $start - ROM
    .org 0x10000
