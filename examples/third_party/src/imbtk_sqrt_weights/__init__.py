"""Square-root class weights, a strategy for imbtk."""
