//go:build !linux

package app

import "time"

// clockState tells nothing on this system.
func clockState() (synchronised bool, most time.Duration, ok bool) { return false, 0, false }
