package app

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// returnProgram gives pages of the program file itself back to the system, which it
// reads again when they are needed: much of the program runs at the start only. Only
// what is mapped without the right to write is touched (proc_pid_maps(5), madvise(2)).
func returnProgram() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for l := range strings.Lines(string(maps)) {
		f := strings.Fields(l)
		if len(f) != 6 || f[5] != exe || strings.Contains(f[1], "w") {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		a, err := strconv.ParseUint(from, 16, 64)
		b, err2 := strconv.ParseUint(to, 16, 64)
		if err != nil || err2 != nil || b <= a {
			continue
		}
		// The raw call: the range is the kernel's, no slice of ours.
		unix.RawSyscall(unix.SYS_MADVISE, uintptr(a), uintptr(b-a), unix.MADV_DONTNEED)
	}
}
