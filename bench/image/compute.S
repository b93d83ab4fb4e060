	.text
	.file	"compute.c"
	.section	.text.compute_prepare,"ax",@progbits
	.globl	compute_prepare
	.p2align	4, 0x90
	.type	compute_prepare,@function
compute_prepare:
	pushq	%rbp
	movq	%rsp, %rbp
	xorl	%eax, %eax
	.p2align	4, 0x90
.LBB0_1:
	movl	%eax, %ecx
	shrl	%ecx
	movl	%ecx, %edx
	xorl	$-306674912, %edx
	testb	$1, %al
	cmovel	%ecx, %edx
	movl	%edx, %ecx
	shrl	%ecx
	movl	%ecx, %esi
	xorl	$-306674912, %esi
	testb	$1, %dl
	cmovel	%ecx, %esi
	movl	%esi, %ecx
	shrl	%ecx
	movl	%ecx, %edx
	xorl	$-306674912, %edx
	testb	$1, %sil
	cmovel	%ecx, %edx
	movl	%edx, %ecx
	shrl	%ecx
	movl	%ecx, %esi
	xorl	$-306674912, %esi
	testb	$1, %dl
	cmovel	%ecx, %esi
	movl	%esi, %ecx
	shrl	%ecx
	movl	%ecx, %edx
	xorl	$-306674912, %edx
	testb	$1, %sil
	cmovel	%ecx, %edx
	movl	%edx, %ecx
	shrl	%ecx
	movl	%ecx, %esi
	xorl	$-306674912, %esi
	testb	$1, %dl
	cmovel	%ecx, %esi
	movl	%esi, %ecx
	shrl	%ecx
	movl	%ecx, %edx
	xorl	$-306674912, %edx
	testb	$1, %sil
	cmovel	%ecx, %edx
	movl	%edx, %ecx
	shrl	%ecx
	movl	%ecx, %esi
	xorl	$-306674912, %esi
	testb	$1, %dl
	cmovel	%ecx, %esi
	movl	%esi, crc_table(,%rax,4)
	addq	$1, %rax
	cmpq	$256, %rax
	jne	.LBB0_1
	movl	$1, %ecx
	movq	$-4096, %rax
	.p2align	4, 0x90
.LBB0_3:
	imull	$1664525, %ecx, %ecx
	addl	$1013904223, %ecx
	imull	$1664525, %ecx, %edx
	shrl	$24, %ecx
	movb	%cl, crc_text+4096(%rax)
	addl	$1013904223, %edx
	imull	$1664525, %edx, %esi
	shrl	$24, %edx
	movb	%dl, crc_text+4097(%rax)
	addl	$1013904223, %esi
	imull	$1664525, %esi, %ecx
	shrl	$24, %esi
	movb	%sil, crc_text+4098(%rax)
	addl	$1013904223, %ecx
	movl	%ecx, %edx
	shrl	$24, %edx
	movb	%dl, crc_text+4099(%rax)
	addq	$4, %rax
	jne	.LBB0_3
	popq	%rbp
	retq
.Lfunc_end0:
	.size	compute_prepare, .Lfunc_end0-compute_prepare

	.section	.text.crc_turns,"ax",@progbits
	.globl	crc_turns
	.p2align	4, 0x90
	.type	crc_turns,@function
crc_turns:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rbx
	pushq	%rax
	movq	%rdi, %rbx
	xorl	%eax, %eax
	.p2align	4, 0x90
.LBB1_1:
	movl	%eax, %edi
	callq	crc
	addq	$-1, %rbx
	jne	.LBB1_1
	movl	%eax, %eax
	addq	$8, %rsp
	popq	%rbx
	popq	%rbp
	retq
.Lfunc_end1:
	.size	crc_turns, .Lfunc_end1-crc_turns

	.section	.text.crc,"ax",@progbits
	.p2align	4, 0x90
	.type	crc,@function
crc:
	pushq	%rbp
	movq	%rsp, %rbp
	movl	%edi, %eax
	notl	%eax
	movq	$-4096, %rcx
	.p2align	4, 0x90
.LBB2_1:
	movzbl	%al, %edx
	shrl	$8, %eax
	movzbl	crc_text+4096(%rcx), %esi
	xorl	%esi, %edx
	xorl	crc_table(,%rdx,4), %eax
	movzbl	%al, %edx
	shrl	$8, %eax
	movzbl	crc_text+4097(%rcx), %esi
	xorl	%esi, %edx
	xorl	crc_table(,%rdx,4), %eax
	addq	$2, %rcx
	jne	.LBB2_1
	notl	%eax
	popq	%rbp
	retq
.Lfunc_end2:
	.size	crc, .Lfunc_end2-crc

	.section	.text.sieve_turns,"ax",@progbits
	.globl	sieve_turns
	.p2align	4, 0x90
	.type	sieve_turns,@function
sieve_turns:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%r14
	pushq	%rbx
	movq	%rdi, %r14
	xorl	%ebx, %ebx
	.p2align	4, 0x90
.LBB3_1:
	callq	sieve
	movl	%eax, %eax
	addq	%rax, %rbx
	addq	$-1, %r14
	jne	.LBB3_1
	movq	%rbx, %rax
	popq	%rbx
	popq	%r14
	popq	%rbp
	retq
.Lfunc_end3:
	.size	sieve_turns, .Lfunc_end3-sieve_turns

	.section	.text.sieve,"ax",@progbits
	.p2align	4, 0x90
	.type	sieve,@function
sieve:
	pushq	%rbp
	movq	%rsp, %rbp
	movq	$-8190, %rax
	.p2align	4, 0x90
.LBB4_1:
	movl	$0, composite+8192(%rax)
	movw	$0, composite+8196(%rax)
	movb	$0, composite+8198(%rax)
	addq	$7, %rax
	jne	.LBB4_1
	xorl	%eax, %eax
	movl	$4, %ecx
	movl	$2, %edx
	jmp	.LBB4_3
	.p2align	4, 0x90
.LBB4_7:
	addq	$1, %rdx
	addq	$2, %rcx
	cmpq	$8192, %rdx
	je	.LBB4_8
.LBB4_3:
	cmpb	$0, composite(%rdx)
	jne	.LBB4_7
	addl	$1, %eax
	cmpq	$4095, %rdx
	ja	.LBB4_7
	movq	%rcx, %rsi
	.p2align	4, 0x90
.LBB4_6:
	movb	$1, composite(%rsi)
	addq	%rdx, %rsi
	cmpq	$8192, %rsi
	jb	.LBB4_6
	jmp	.LBB4_7
.LBB4_8:
	popq	%rbp
	retq
.Lfunc_end4:
	.size	sieve, .Lfunc_end4-sieve

	.section	.text.quicksort_turns,"ax",@progbits
	.globl	quicksort_turns
	.p2align	4, 0x90
	.type	quicksort_turns,@function
quicksort_turns:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%r14
	pushq	%rbx
	movq	%rdi, %r14
	xorl	%ebx, %ebx
	.p2align	4, 0x90
.LBB5_1:
	callq	fill
	movl	$numbers, %edi
	movl	$numbers+4092, %esi
	callq	quicksort
	movq	%rbx, %rax
	shlq	$5, %rax
	subq	%rbx, %rax
	movl	numbers+1364(%rip), %ebx
	addq	%rax, %rbx
	addq	$-1, %r14
	jne	.LBB5_1
	movq	%rbx, %rax
	popq	%rbx
	popq	%r14
	popq	%rbp
	retq
.Lfunc_end5:
	.size	quicksort_turns, .Lfunc_end5-quicksort_turns

	.section	.text.fill,"ax",@progbits
	.p2align	4, 0x90
	.type	fill,@function
fill:
	pushq	%rbp
	movq	%rsp, %rbp
	movl	$12345, %ecx
	movq	$-4096, %rax
	.p2align	4, 0x90
.LBB6_1:
	imull	$1664525, %ecx, %ecx
	addl	$1013904223, %ecx
	movl	%ecx, numbers+4096(%rax)
	imull	$1664525, %ecx, %ecx
	addl	$1013904223, %ecx
	movl	%ecx, numbers+4100(%rax)
	imull	$1664525, %ecx, %ecx
	addl	$1013904223, %ecx
	movl	%ecx, numbers+4104(%rax)
	imull	$1664525, %ecx, %ecx
	addl	$1013904223, %ecx
	movl	%ecx, numbers+4108(%rax)
	addq	$16, %rax
	jne	.LBB6_1
	popq	%rbp
	retq
.Lfunc_end6:
	.size	fill, .Lfunc_end6-fill

	.section	.text.quicksort,"ax",@progbits
	.p2align	4, 0x90
	.type	quicksort,@function
quicksort:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%r14
	pushq	%rbx
	cmpq	%rsi, %rdi
	jae	.LBB7_12
	movq	%rsi, %r14
	movq	%rdi, %rbx
	jmp	.LBB7_2
	.p2align	4, 0x90
.LBB7_11:
	callq	quicksort
	movq	%rbx, %rdi
	cmpq	%r14, %rbx
	jae	.LBB7_12
.LBB7_2:
	movq	%r14, %rax
	movq	%r14, %rsi
	subq	%rdi, %rax
	jb	.LBB7_11
	movq	%rax, %rcx
	sarq	$2, %rcx
	shrq	$63, %rax
	addq	%rcx, %rax
	andq	$-2, %rax
	movl	(%rdi,%rax,2), %eax
	movq	%r14, %rsi
	movq	%rdi, %rbx
	jmp	.LBB7_4
.LBB7_9:
	movl	%edx, (%r8)
	movl	%ecx, (%rsi)
	addq	$-4, %rsi
	cmpq	%rsi, %rbx
	ja	.LBB7_11
	.p2align	4, 0x90
.LBB7_4:
	movl	(%rbx), %ecx
	addq	$4, %rbx
	cmpl	%eax, %ecx
	jb	.LBB7_4
	leaq	-4(%rbx), %r8
	addq	$4, %rsi
	.p2align	4, 0x90
.LBB7_6:
	movl	-4(%rsi), %edx
	addq	$-4, %rsi
	cmpl	%eax, %edx
	ja	.LBB7_6
	cmpq	%rsi, %r8
	jbe	.LBB7_9
	movq	%r8, %rbx
	cmpq	%rsi, %rbx
	jbe	.LBB7_4
	jmp	.LBB7_11
.LBB7_12:
	popq	%rbx
	popq	%r14
	popq	%rbp
	retq
.Lfunc_end7:
	.size	quicksort, .Lfunc_end7-quicksort

	.type	crc_table,@object
	.section	.bss.crc_table,"aw",@nobits
	.p2align	4
crc_table:
	.zero	1024
	.size	crc_table, 1024

	.type	crc_text,@object
	.section	.bss.crc_text,"aw",@nobits
	.p2align	4
crc_text:
	.zero	4096
	.size	crc_text, 4096

	.type	numbers,@object
	.section	.bss.numbers,"aw",@nobits
	.p2align	4
numbers:
	.zero	4096
	.size	numbers, 4096

	.type	composite,@object
	.section	.bss.composite,"aw",@nobits
	.p2align	4
composite:
	.zero	8192
	.size	composite, 8192

	.section	".note.GNU-stack","",@progbits
