//go:build !linux

package xmpptest

import "syscall"

func child() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
