// Package version tells which software runs here, and asks others (XEP-0092).
package version
