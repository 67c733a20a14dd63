package persist

import (
	"os/exec"
	"syscall"
)

// tieToParent has a child killed when the test ends in whatever way.
func tieToParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
