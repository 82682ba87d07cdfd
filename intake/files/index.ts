/** Files in: CSV, NDJSON and Avro container files into the input topic. */
export {
  importFiles,
  importWriter,
  type ImportOptions,
  type ImportPhase,
  type ImportProgress,
  type ImportResult,
} from './import.ts'
export {
  type ImportedFile,
  type ImportPosition,
  type ImportRecord,
  readImports,
  readPosition,
  type ReasonCount,
} from './imports.ts'
export { checkMapping, type LoadedMapping, loadMapping } from './load-mapping.ts'
export { ImportRefused, importRefusals, type ImportRefusal } from './refusals.ts'
