// Package cdev reaches GPIO lines through the Linux GPIO character device, version
// 2 of its interface (Linux 5.10 and later; include/uapi/linux/gpio.h). It has what
// a gateway needs of it: chips and their lines, who uses a line, requests with
// direction, bias, drive, active-low, debounce and a first value that is set without
// a glitch, and edges with the kernel's time and sequence numbers. It knows nothing
// of nodes.
//
// [Kernel] is the interface of this machine; package gpiotest has one in memory
// whose edges pass through the same decoder.
package cdev
