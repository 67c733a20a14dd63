package cdev

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// Boot names the present boot of the machine; empty when the kernel does not say.
func Boot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// Group returns the name of the group that owns a file, or its number; empty when
// there is no such file.
func Group(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	id := strconv.Itoa(int(s.Gid))
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
