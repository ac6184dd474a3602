/* SPDX-License-Identifier: Apache-2.0
 * names_data.S - the names that surrogates are made of, carried by the program. tools/make_names.py writes them. */
    .section .rodata
    .balign 64
    .global dv_names_data
dv_names_data:
    .incbin "names.bin"
    .byte 0
    .section .note.GNU-stack, "", %progbits
