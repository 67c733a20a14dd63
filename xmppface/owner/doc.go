// Package owner is the hub's own namespace, urn:fieldhub:owner:1: what the
// published interfaces do not have and the person who owns a hub needs. It exports
// and imports the tree as a file, makes and restores backups, and tells the hub's
// status. Both ends are here. The backend decides who may; to all others the
// namespace looks as if it did not exist.
//
// A file may be larger than a stanza: it travels in parts.
//
//	<export offset='0'/>                 -> <part version='…' size='…'>text</part>
//	<export offset='90000' version='…'/> -> the next part of the same document
//	<import id='…' name='tree.yaml'>text</import>              -> empty; more follows
//	<import id='…' name='tree.yaml' last='true'>text</import>  -> <imported nodes='7'/>
//	<backup file='…'/>                   -> <backup file='…'/>
//	<restore file='…'/>                  -> empty; in place after the next start
//	<status/>                            -> <status><item name='…' value='…'/>…</status>
//	<explain jid='…' way='xmpp' id='…'/> -> <explain><item name='…' value='…'/>…</explain>
//	<audit after='7' since='…' jid='…' node='…'/> -> <audit><record number='8' …/>…</audit>
//	<users/>                             -> <users><user jid='…'/>…</users>
//	<user name='…' password='…'/>        -> empty; an account of the local server
//	<user name='…' remove='true'/>       -> empty
package owner
