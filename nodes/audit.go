package nodes

import "time"

// Record is one entry of the audit: who did what, by which way in, and what became of
// it. Secrets are left out of it.
type Record struct {
	Number  uint64 // its place in the audit, from 1
	Time    time.Time
	JID     string // of the caller; empty when unknown
	Way     Way
	Action  string // "set", "create", "edit", "remove", "move", "command", "query", "listen", "import", "backup", "restore", "login"; "refused" when he may not
	Ref     Ref    // the node; zero: the hub
	What    string // the parameter, the command, what was refused
	Before  string
	After   string
	Outcome string // "done", or why not
}

// AuditQuery asks for records of the audit, oldest first.
type AuditQuery struct {
	After uint64    // those behind this number
	Since time.Time // not older
	JID   string    // of callers whose address contains this; empty: all
	Node  string    // about this node or those whose ids begin with it and "/"; empty: all
	Most  int       // so many at most
}
