/** TypeScript source as plain text with the parts blanked that a rule must not read: comments, and the inside of strings. */

/** What stays readable: code alone, or code with the quoted strings (an import's path is one). Templates never stay. */
export type Keep = 'code' | 'code and strings'

/** Before these a `/` starts a regular expression, after anything else it divides. */
const beforeRegExp = /(?:^|[(,=:[!&|?{};+*%<>~^-]|=>|\b(?:return|typeof|case|in|of|void|await|yield))\s*$/

/**
 * The same text, same length and lines, with comments, templates, regular expressions and (for 'code') strings blanked.
 * Code inside `${...}` stays. Good enough for rules; it is not a parser.
 */
export function blank(text: string, keep: Keep): string {
  const out: string[] = []
  const hide = (part: string) => out.push(part.replace(/[^\n]/g, ' '))
  /** Open `${` levels: how many `{` are open inside each. */
  const templates: number[] = []
  let at = 0
  let code = ''

  const template = () => {
    const end = /(?<!\\)(?:\\\\)*(?:`|\$\{)/g
    end.lastIndex = at
    const found = end.exec(text)
    const stop = found ? end.lastIndex : text.length
    hide(text.slice(at, stop))
    at = stop
    if (found?.[0].endsWith('{')) templates.push(0)
    code += '0'
  }

  while (at < text.length) {
    const rest = text[at]
    const two = text.slice(at, at + 2)
    if (two === '//' || (at === 0 && two === '#!')) {
      const end = text.indexOf('\n', at)
      const stop = end < 0 ? text.length : end
      hide(text.slice(at, stop))
      at = stop
    } else if (two === '/*') {
      const end = text.indexOf('*/', at + 2)
      const stop = end < 0 ? text.length : end + 2
      hide(text.slice(at, stop))
      at = stop
    } else if (rest === "'" || rest === '"') {
      const string = new RegExp(`${rest}(?:\\\\[\\s\\S]|[^${rest}\\\\\\n])*${rest}?`, 'y')
      string.lastIndex = at
      const found = string.exec(text)?.[0] ?? rest
      if (keep === 'code') hide(found)
      else out.push(found)
      at += found.length
      code += '0'
    } else if (rest === '`') {
      out.push(' ')
      at++
      template()
    } else if (rest === '/' && beforeRegExp.test(code.slice(-20))) {
      const pattern = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y
      pattern.lastIndex = at
      const found = pattern.exec(text)?.[0] ?? rest
      hide(found)
      at += found.length
      code += '0'
    } else {
      const open = templates.length - 1
      if (rest === '{' && open >= 0) templates[open]!++
      if (rest === '}' && open >= 0 && templates[open]!-- === 0) {
        templates.pop()
        out.push(' ')
        at++
        template()
        continue
      }
      out.push(rest!)
      code += rest
      if (code.length > 200) code = code.slice(-40)
      at++
    }
  }
  return out.join('')
}

/** One-based line of a position. */
export const lineOf = (text: string, position: number): number => text.slice(0, position).split('\n').length
