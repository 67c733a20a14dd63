package xmpptest

import "syscall"

// child makes a process die with the test, and its children be killed with it.
func child() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
