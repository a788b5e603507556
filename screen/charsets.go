package screen

import "strings"

// charsets are the character sets besides ASCII that browsers' terminals have, by the final
// byte of the designation (xterm.js, Charsets.ts).
var charsets = map[byte]*strings.Replacer{
	'0': pairs("`◆a▒b␉c␌d␍e␊f°g±h␤i␋j┘k┐l┌m└n┼o⎺p⎻q─r⎼s⎽t├u┤v┴w┬x│y≤z≥{π|≠}£~·"),
	'A': pairs("#£"),
	'4': pairs("#£@¾[i\\½]|{¨|f}¼~´"),
	'C': pairs("[Ä\\Ö]Å^Ü`é{ä|ö}å~ü"),
	'5': pairs("[Ä\\Ö]Å^Ü`é{ä|ö}å~ü"),
	'R': pairs("#£@à[°\\ç]§{é|ù}è~¨"),
	'Q': pairs("@à[â\\ç]ê^î`ô{é|ù}è~û"),
	'K': pairs("@§[Ä\\Ö]Ü{ä|ö}ü~ß"),
	'Y': pairs("#£@§[°\\ç]é`ù{à|ò}è~ì"),
	'E': pairs("@Ä[Æ\\Ø]Å^Ü`ä{æ|ø}å~ü"),
	'6': pairs("@Ä[Æ\\Ø]Å^Ü`ä{æ|ø}å~ü"),
	'Z': pairs("#£@§[¡\\Ñ]¿{°|ñ}ç"),
	'H': pairs("@É[Ä\\Ö]Å^Ü`é{ä|ö}å~ü"),
	'7': pairs("@É[Ä\\Ö]Å^Ü`é{ä|ö}å~ü"),
	'=': pairs("#ù@à[é\\ç]ê^î_è`ô{ä|ö}ü~û"),
}

// pairs returns a replacer of the first of each two characters by the second.
func pairs(s string) *strings.Replacer {
	return strings.NewReplacer(strings.Split(s, "")...)
}

// translate returns what t shows in the character set in use.
func (p *picture) translate(t []byte) []byte {
	if set := charsets[p.synced.sets[p.synced.shift]]; set != nil {
		return []byte(set.Replace(string(t)))
	}
	return t
}
