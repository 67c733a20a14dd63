// Package datasources is everything that a face may ask for: the [Catalog] lists,
// reads, watches and changes the nodes of all data sources, for a caller and
// within his rights ([Access]). It owns the rule that what one may not see does not
// exist. It knows nothing of XMPP, of any field protocol or of the database; a
// namespace declares the part of the catalog it needs as its own backend.
package datasources
